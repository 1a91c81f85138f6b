"""`saran backup create|list|check` and `saran restore`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from saran.spark.backup.manifest import Manifest

app = typer.Typer(no_args_is_help=True, help="Back up tables, models and database, and look at backups.")

_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
_PLACE = "A folder, or s3://bucket/prefix. [SARAN_BACKUP__LOCATION]"


@app.command()
def create(
    to: Annotated[str, typer.Option(metavar="LOCATION", help=_PLACE, show_default=False)] = "",
    keep: Annotated[
        int | None, typer.Option(min=1, help="Newest backups that stay. [SARAN_BACKUP__KEEP]", show_default=False)
    ] = None,
    as_json: _Json = False,
) -> None:
    """Back up the lakehouse, models and database while everything runs; copies only what is new.

    Example: saran backup create --to /mnt/backups --keep 14
    """
    from saran.core.settings import load_settings
    from saran.spark.backup.create import create as make
    from saran.spark.backup.prune import prune

    settings = load_settings()
    location = settings.backups(to)
    with _progress() as watch:
        made = make(settings, location, watch)
    gone = prune(location, keep or settings.backup.keep)
    if as_json:
        _print_json({**_summary(made), "location": str(location), "removed": gone})
        return
    _say(
        f"{made.name}: {len(made.files):,} files, {_megabytes(made.bytes)}, of which {_megabytes(made.copied_bytes)} "
        f"are new, in {(made.finished_at - made.began_at).total_seconds():.1f} s"
    )
    if gone:
        _say(f"removed {', '.join(gone)}")


@app.command("list")
def show(
    at: Annotated[str, typer.Option("--at", metavar="LOCATION", help=_PLACE, show_default=False)] = "",
    as_json: _Json = False,
) -> None:
    """Show the backups at a place, newest last.

    Example: saran backup list --at /mnt/backups
    """
    from saran.core.settings import load_settings
    from saran.spark.backup.manifest import backups, read_manifest

    location = load_settings().backups(at)
    found = [read_manifest(location, name) for name in backups(location)]
    if as_json:
        _print_json({"location": str(location), "backups": [_summary(manifest) for manifest in found]})
        return
    if not found:
        _say(f"no backup at {location}; make one with `saran backup create`")
    for manifest in found:
        rows = ", ".join(f"{name} {table.rows:,}" for name, table in sorted(manifest.tables.items()))
        _say(f"{manifest.name}  {_megabytes(manifest.bytes)}  {rows}")


@app.command()
def check(
    backup: Annotated[str, typer.Argument(help="Name of a backup; the newest when left out.")] = "",
    at: Annotated[str, typer.Option("--from", metavar="LOCATION", help=_PLACE, show_default=False)] = "",
    as_json: _Json = False,
) -> None:
    """Read every file of a backup, and hold it against its checksum.

    Example: saran backup check --from /mnt/backups
    """
    from saran.core.settings import load_settings
    from saran.spark.backup.manifest import read_manifest
    from saran.spark.backup.restore import check as read_all

    location = load_settings().backups(at)
    manifest = read_manifest(location, backup)
    with _progress() as watch:
        read_all(location, manifest, watch)
    if as_json:
        _print_json(_summary(manifest))
    else:
        _say(f"{manifest.name}: {len(manifest.files):,} files are as they were")


def restore(
    backup: Annotated[str, typer.Argument(help="Name of a backup; the newest when left out.")] = "",
    at: Annotated[str, typer.Option("--from", metavar="LOCATION", help=_PLACE, show_default=False)] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the data that is there.")] = False,
    as_json: _Json = False,
) -> None:
    """Put a backup back into an empty home. PostgreSQL must run; streams and trainings must not.

    Example: saran restore --from /mnt/backups
    """
    from saran.core.job_lock import STREAMS, TRAINING, only_one
    from saran.core.settings import load_settings
    from saran.spark.backup.manifest import read_manifest
    from saran.spark.backup.restore import restore as put_back

    settings = load_settings()
    location = settings.backups(at)
    manifest = read_manifest(location, backup)
    with only_one(settings, STREAMS), only_one(settings, TRAINING), _progress() as watch:
        put_back(settings, location, manifest, watch, force=force)
    if as_json:
        _print_json(_summary(manifest))
    else:
        _say(f"restored {manifest.name}: all that was taken in until {manifest.began_at:%Y-%m-%d %H:%M:%S} UTC")


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        **manifest.model_dump(mode="json", exclude={"files", "dumps"}),
        "files": len(manifest.files),
        "bytes": manifest.bytes,
        "database": {dump.table: dump.rows for dump in manifest.dumps},
    }


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr, moved by what is given to the function."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<18}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def watch(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total or None)

        yield watch


def _say(text: str) -> None:
    typer.echo(text)


def _print_json(value: dict[str, Any]) -> None:
    import json

    typer.echo(json.dumps(value))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
