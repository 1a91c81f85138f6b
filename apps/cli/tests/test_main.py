"""The command line itself: errors in one line, global options anywhere, help that teaches."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from saran.cli import commands, main
from saran.core.errors import SaranError


def saran(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "saran.cli", *arguments],
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_commands_in_the_order_of_first_use() -> None:
    done = saran("--help")
    assert done.returncode == 0
    listed = [name for name in re.findall(r"^│ (\w+) ", done.stdout, re.M) if name in main.FIRST_USE]
    assert listed == [name for name in main.FIRST_USE if name in listed]
    assert {"demo", "up", "status", "logs", "doctor", "jars", "down"} <= set(listed)


@pytest.mark.parametrize("command", [command.callback for command in commands.app.registered_commands])
def test_every_command_shows_an_example(command: object) -> None:
    assert "Example: saran " in (command.__doc__ or "")


def test_settings_that_cannot_be_are_explained_with_the_variables_name(tmp_path: Path) -> None:
    done = saran("status", "--home", str(tmp_path), SARAN_PORTS__KAFKA="ninety", SARAN_KAFKA__PARTITIONS="0")
    assert done.returncode == 1
    assert "SARAN_PORTS__KAFKA" in done.stderr
    assert "'ninety'" in done.stderr
    assert "SARAN_KAFKA__PARTITIONS" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("--home", "{}", "status"), ("status", "--home={}"), ("status", "--home", "{}")])
def test_home_may_stand_anywhere(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = saran(*(argument.format(tmp_path) for argument in arguments))
    assert done.returncode == 1
    assert f"nothing runs in {tmp_path}" in done.stdout


def test_check_of_what_does_not_run_is_one_red_line_with_its_fix(tmp_path: Path) -> None:
    done = saran("check", "--home", str(tmp_path), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "well": False,
        "findings": [
            {
                "section": "services",
                "name": "platform",
                "well": False,
                "detail": f"nothing runs in {tmp_path}",
                "fix": "start it: `saran up --detach`",
                "looked_at": True,
            }
        ],
    }
    shown = saran("check", "--home", str(tmp_path)).stdout
    assert "✗" in shown
    assert "fix: start it: `saran up --detach`" in shown
    assert "\x1b" not in shown


def test_a_known_error_is_one_line_with_its_fix(tmp_path: Path) -> None:
    done = saran("up", "--only", "kafak", "--home", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: kafak is no part of the platform",
        "fix: choose from kafka, postgres, streams, api, worker, dashboard",
    ]
    with_trace = saran("up", "--only", "kafak", "--home", str(tmp_path), "--debug")
    assert "Traceback" in with_trace.stderr


def test_waiting_for_streams_that_do_not_run_is_an_error(tmp_path: Path) -> None:
    done = saran("wait", "--home", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"error: no streams run in {tmp_path}", "fix: start them with `saran up`"]


def test_usage_errors_exit_2() -> None:
    assert saran("up", "--no-such-option").returncode == 2
    assert saran("status", "--home").returncode == 2


def test_an_unexpected_error_is_short_without_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("one over nothing")

    monkeypatch.setattr(main, "_mount", broken)
    with pytest.raises(SystemExit) as caught:
        main.main(["status"])
    assert caught.value.code == 1
    assert "ZeroDivisionError: one over nothing" in capsys.readouterr().err


def test_a_part_whose_commands_cannot_be_imported_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        name = "broken"

        def load(self) -> typer.Typer:
            raise SaranError("no such library")

    monkeypatch.setattr(main, "entry_points", lambda **_: [Broken()])
    with pytest.raises(SystemExit) as caught:
        main.main(["--help"])
    assert caught.value.code == 0
    assert "the commands of broken cannot be loaded: no such library" in capsys.readouterr().err


def test_a_command_of_a_part_that_is_not_installed_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in the image that loads data, which has no client."""
    monkeypatch.setitem(sys.modules, "saran.cli.check.run", None)
    with pytest.raises(SystemExit) as ended:
        main.main(["check"])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "error: this command needs saran.cli.check.run, which is not installed here" in said
    assert "fix: use a checkout" in said
