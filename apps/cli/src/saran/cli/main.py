"""The `saran` command: its own commands and those that the other parts bring (entry points `saran.commands`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError
from rich.markup import escape
from typer.core import TyperGroup

from saran.cli import commands
from saran.cli.console import err, out
from saran.core.errors import SaranError

FIRST_USE: Final = (
    *("demo", "up", "status", "datasets", "synthesise", "load", "wait", "simulate", "batches", "train", "models"),
    *("tour", "check", "logs", "doctor", "jars", "down"),
)
"""Commands in the order in which a newcomer meets them; others follow."""

_HELP: Final = """Events in, recommendations out: Saran on this machine.

[bold]The first time[/bold]

  saran demo                      everything at once, on the bundled MovieLens data

[bold]Step by step[/bold]

  saran up --detach               start Kafka, PostgreSQL, Spark, API and dashboard\n
  saran load movielens            send catalogue and events through Kafka\n
  saran wait                      until all of it is in the lakehouse\n
  saran train recommender         train on what has arrived\n
  saran models list               versions, and which one is served\n
  saran status                    what runs, and how it is\n
  saran tour                      six steps that tell what they do, on what runs\n
  saran check                     every service, table, route and page: green or red\n
  saran logs streams -f           follow one part's log\n
  saran down                      stop it all

[bold]Your own data[/bold]

  saran datasets                  what can be loaded, and how to describe more\n
  saran synthesise retailrocket --rows 100000 --out /tmp/rr\n
  saran load retailrocket --path /tmp/rr
"""

_debug = False


class _Group(TyperGroup):
    """Shows commands in the order of first use, and known errors as one line."""

    def list_commands(self, ctx: Any) -> list[str]:
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: FIRST_USE.index(name) if name in FIRST_USE else len(FIRST_USE))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except SaranError as error:
            _show(error.message, error.fix)
        except ValidationError as error:
            _show(*_explain(error))
        except ModuleNotFoundError as error:
            part = error.name or ""
            if not part.startswith("saran."):
                raise
            _show(f"this command needs {part}, which is not installed here", "use a checkout: it has every part")
        if _debug:
            err.print_exception()
        raise typer.Exit(1)


app = typer.Typer(cls=_Group, help=_HELP, rich_markup_mode="rich", no_args_is_help=True, pretty_exceptions_enable=False)
app.registered_commands.extend(commands.app.registered_commands)


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            out.print(f"saran {version('saran-cli')}")
        except PackageNotFoundError:
            out.print("saran (not installed: run from the source tree)")
        raise typer.Exit


@app.callback()
def _options(
    home: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder of data, logs and state; may follow any command. [SARAN_HOME]"),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Never reached with values for home and debug: `main` takes them from anywhere on the command line."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line `arguments` (the process's own when None) and exit."""
    global _debug
    given, home, _debug = _take_global(list(sys.argv[1:] if arguments is None else arguments))
    if home is not None:
        os.environ["SARAN_HOME"] = home
    try:
        _mount()
        app(args=given, prog_name="saran")
    except Exception as error:
        if _debug:
            raise
        _show(f"{type(error).__name__}: {error}", "this was not expected; --debug shows where it comes from")
        sys.exit(1)


def _take_global(arguments: list[str]) -> tuple[list[str], str | None, bool]:
    """Split off `--home DIR` and `--debug`, wherever they stand before a bare `--`."""
    rest: list[str] = []
    home: str | None = None
    debug = False
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif argument == "--home":
            home = next(remaining, None)
            if home is None:
                err.print("[red]error:[/red] --home needs a folder")
                sys.exit(2)
        elif argument.startswith("--home="):
            home = argument.removeprefix("--home=")
        elif argument == "--debug":
            debug = True
        else:
            rest.append(argument)
    return rest, home, debug


def _mount() -> None:
    """Add the other parts' commands; one that cannot be imported is named and left out."""
    known = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    for entry in sorted(entry_points(group="saran.commands"), key=lambda entry: entry.name):
        try:
            plugin = entry.load()
        except Exception as error:  # noqa: BLE001 - one broken part must not take `saran down` away
            err.print(f"[yellow]warning:[/yellow] the commands of {entry.name} cannot be loaded: {escape(str(error))}")
            continue
        app.registered_commands.extend(
            command
            for command in plugin.registered_commands
            if (command.name or getattr(command.callback, "__name__", "")) not in known
        )
        app.registered_groups.extend(plugin.registered_groups)


def _show(message: str, fix: str | None) -> None:
    err.print(f"[bold red]error:[/bold red] {escape(message)}")
    if fix:
        err.print(f"[bold]fix:[/bold] {escape(fix)}")


def _explain(error: ValidationError) -> tuple[str, str]:
    """The message and fix of settings that cannot be used, with the names of the variables."""
    lines = []
    for detail in error.errors():
        place = [str(part) for part in detail["loc"]]
        name = "__".join(place)
        variable = name if name.isupper() else f"SARAN_{name.upper()}"
        told = f" (it is {detail['input']!r})" if place and not isinstance(detail["input"], dict) else ""
        lines.append(f"{variable if place else 'settings'}: {detail['msg'].removeprefix('Value error, ')}{told}")
    return "; ".join(lines), "correct the variable, in the environment or in .env"


if __name__ == "__main__":
    main()
