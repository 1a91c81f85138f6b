"""`saran maintain`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from saran.spark.maintain import Maintained, TableSize


def maintain(
    timeout: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Longest wait for the streams")] = 900.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Compact small files of every table and remove old ones, while everything runs; say how large the tables are.

    No row changes, unless SARAN_MAINTENANCE__EVENT_DAYS says that events leave after some days. Old files stay for
    SARAN_MAINTENANCE__KEPT_HOURS, and longer those of versions that models were trained on.

    Example: saran maintain --json
    """
    from rich.console import Console

    from saran.core.settings import load_settings
    from saran.spark.maintain import maintain as run

    console = Console(stderr=True)
    with console.status("looking at the tables") as status:
        done = run(load_settings(), patience=timeout, watch=status.update)
    if as_json:
        typer.echo(json.dumps({"tables": [asdict(one) for one in done]}))
    elif done:
        _show(done)
    else:
        console.print("there is no table yet: start the platform with `saran up` and load events with `saran load`")


def _show(done: list[Maintained]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("table", "version", "rows", "files", "MB", "stored files", "stored MB")
    for column in table.columns[1:]:
        column.justify = "right"
    for one in done:
        cells = zip(_cells(one.before), _cells(one.after), strict=True)
        table.add_row(one.table, *(now if before == now else f"{before} → {now}" for before, now in cells))
    Console(soft_wrap=True).print(table)


def _cells(size: TableSize) -> tuple[str, ...]:
    return (
        str(size.version),
        f"{size.rows:,}",
        f"{size.files:,}",
        f"{size.bytes / 1e6:.1f}",
        f"{size.stored_files:,}",
        f"{size.stored_bytes / 1e6:.1f}",
    )
