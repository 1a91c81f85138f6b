"""README, docs, `make help` and `saran --help` name what is there, and nothing else."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from saran.cli import main
from saran.core.settings import CHECKOUT
from tests.pages import COMMAND_LINE, PAGES, README, inline_code, shell_commands

CI: Final = CHECKOUT / ".ci" / "run"
GENERAL: Final = {"--home", "--help", "--json", "--debug"}
"""Options that the pages describe once for all commands."""


@pytest.fixture(scope="module")
def saran() -> Any:
    """The whole command, with what the other parts bring."""
    main._mount()
    return typer.main.get_command(main.app)


def rows_of_commands() -> dict[str, str]:
    """First cells of docs/command-line.md's tables: the command with its options, by the command's name."""
    cells = [code for code in inline_code(COMMAND_LINE) if code.startswith("saran ") and "--help" not in code]
    return {code.split()[1]: code for code in cells}


def test_every_command_has_its_row_and_every_row_its_command(saran: Any) -> None:
    assert sorted(rows_of_commands()) == sorted(saran.commands)


def test_the_options_on_the_command_line_page_are_those_of_the_command(saran: Any) -> None:
    for name, row in rows_of_commands().items():
        shown = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row))
        assert shown <= options_of(saran.commands[name]) | GENERAL, row


def options_of(command: Any) -> set[str]:
    """Options of a command and of the commands below it."""
    own = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return own.union(*(options_of(below) for below in getattr(command, "commands", {}).values()))


def lines_to_type(saran: Any) -> Iterator[str]:
    """Whole `saran` commands as pages and helps print them."""
    for page in PAGES:
        yield from (line for line in shell_commands(page) if re.match(r"(\.venv/bin/)?saran ", line))
    yield from re.findall(r"^  (saran .+?)(?: {2,}.*|\\n)?$", main._HELP, re.M)
    for _, command in commands_of(saran):
        yield from re.findall(r"Example: `?(saran [^`\n]+)", command.help or "")


def commands_of(group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield name, command
        if hasattr(command, "commands"):
            yield from commands_of(command)


def test_every_printed_command_can_be_typed(saran: Any) -> None:
    lines = [line.removeprefix(".venv/bin/") for line in lines_to_type(saran)]
    assert len(lines) > 30, "of the pages, of `saran --help` and of each command's help"
    for line in lines:
        try:
            understand(saran, shlex.split(line)[1:])
        except Exception as error:
            error.add_note(line)
            raise


def understand(command: Any, words: list[str]) -> None:
    """Let the command line read the words without doing anything; raises its usage errors."""
    with command.make_context("saran", list(words)) as context:
        if hasattr(command, "commands"):
            _, below, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            understand(below, rest)


def targets() -> dict[str, str]:
    """Targets that `make help` lists, with their words."""
    told = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    )
    return dict(line.split(maxsplit=1) for line in told.stdout.splitlines())


def test_make_help_lists_every_target() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", makefile, re.M)
    assert phony is not None
    assert set(targets()) == set(phony[1].replace("\\", "").split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_make_targets_on_a_page_are_there(page: Path) -> None:
    spoken = [*shell_commands(page), *inline_code(page)]
    named = {word for line in spoken for word in re.findall(r"(?<![\w/.-])make ([a-z][a-z0-9-]*)", line)}
    assert named <= set(targets())
    if page == README:
        assert {"demo", "test", "demo-check", "check", "clean-all", "help"} <= named


@pytest.mark.parametrize("target", ["check", "demo-check", "test"])
def test_ci_runs_the_targets_that_no_test_can(target: str) -> None:
    assert re.search(rf"^make {target}$", CI.read_text(encoding="utf-8"), re.M)
    assert f"make {target}" in {*inline_code(README), *shell_commands(README)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    paths = [link.split("#")[0] for link in links if "://" not in link]
    assert [path for path in paths if path and not (page.parent / path).exists()] == []
