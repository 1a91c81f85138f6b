"""What the producer's commands show: progress and messages on stderr, results on stdout, details in a log file."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from saran.core.datasets import DatasetRow, Origin
from saran.core.settings import Settings
from saran.producer.synthetic.files import Written

if TYPE_CHECKING:
    from saran.producer.batches import BatchesSummary
    from saran.producer.options import LoadSummary
    from saran.producer.simulate import SimulateSummary
    from saran.producer.upload import Uploaded

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def logging_to(settings: Settings, name: str) -> Iterator[None]:
    """Write what Saran logs to `home/logs/<name>.log` while the context lasts."""
    path = settings.home / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger = logging.getLogger("saran")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
        handler.close()


@contextmanager
def load_progress() -> Iterator[Callable[[str, int, int | None, int], None]]:
    """A bar a stage of a load, with records and records a second."""
    tasks: dict[str, tuple[TaskID, float, int]] = {}
    latest = 0
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[records]:>12,} records {task.fields[rate]:>10,.0f}/s"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, refresh_per_second=4) as progress:

        def tell(stage: str, done: int, total: int | None, records: int) -> None:
            nonlocal latest
            now = time.monotonic()
            if stage not in tasks:
                tasks[stage] = (progress.add_task(stage, total=total, records=0, rate=0.0), now, latest)
            task, started, before = tasks[stage]
            own = records - before
            progress.update(task, completed=done, total=total, records=own, rate=own / max(now - started, 1e-3))
            latest = records

        yield tell


@contextmanager
def upload_progress() -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """A bar of bytes: call the first with all there are, the second with those that are done."""
    columns = (TextColumn("upload"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, refresh_per_second=4) as progress:
        task = progress.add_task("upload", total=None)
        yield lambda total: progress.update(task, total=total), lambda size: progress.advance(task, size)


@contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """A spinner for work without a known end; call the value to show what was done so far."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, refresh_per_second=4) as progress:
        task = progress.add_task(text)
        yield lambda now: progress.update(task, description=f"{text}: {now}")


def show_load(summary: LoadSummary, *, as_json: bool) -> None:
    """The result of `saran load`."""
    if as_json:
        _print_json(asdict(summary))
        return
    kind = "simulated" if summary.simulated else "synthetic" if summary.synthetic else "from its files"
    out.print(f"[bold]{summary.dataset}[/bold] ({kind}), source {summary.source}")
    if summary.resumed_at is not None:
        out.print(f"resumed at row {summary.resumed_at:,}")
    left = f", {summary.left_out:,} without an item" if summary.left_out else ""
    out.print(f"catalogue {summary.items:,} items, {summary.wrong_items:,} wrong rows")
    out.print(f"events    {summary.rows:,} rows: {summary.events:,} good, {summary.wrong_rows:,} wrong{left}")
    out.print(f"records   {summary.sent:,} sent, {summary.acknowledged:,} acknowledged")
    out.print(f"time      {summary.seconds:.1f} s for the events, {summary.rows_per_second:,.0f} rows/s")


def show_written(dataset: str, folder: Path, written: Sequence[Written], *, as_json: bool) -> None:
    """The result of `saran synthesise`."""
    if as_json:
        _print_json({"dataset": dataset, "folder": folder, "files": [asdict(one) for one in written]})
        return
    table = Table("file", "rows", "bytes", title=f"synthetic {dataset} in {folder}")
    for one in written:
        table.add_row(one.file, f"{one.rows:,}", f"{one.bytes:,}")
    out.print(table)
    out.print(f"load it: saran load {dataset} --path {folder}")


def show_batches(summary: BatchesSummary, *, as_json: bool) -> None:
    """The result of `saran batches`."""
    if as_json:
        _print_json(asdict(summary))
        return
    out.print(f"{summary.events:,} events in this run; {summary.files:,} files in {summary.folder}")
    out.print(f"newest: {summary.newest or 'none'} with {summary.rows_in_newest:,} rows")
    if summary.wrong_rows:
        out.print(f"{summary.wrong_rows:,} wrong rows of the source are not in the files; `ingest` keeps them")


def show_simulation(summary: SimulateSummary, *, as_json: bool) -> None:
    """The result of `saran simulate`."""
    if as_json:
        _print_json(asdict(summary))
        return
    actions = ", ".join(f"{count:,} {action}" for action, count in summary.actions.items())
    out.print(f"{summary.events:,} events of {summary.users:,} users in {summary.seconds:.1f} s: {actions or 'none'}")
    out.print(f"source {summary.source}, seed {summary.seed}, {summary.retries:,} retries")


def show_upload(summary: Uploaded, *, as_json: bool) -> None:
    """The result of `saran upload`."""
    if as_json:
        _print_json(asdict(summary))
        return
    out.print(f"{summary.sent:,} files sent to bucket {summary.bucket}, {summary.kept:,} were there already")
    if summary.public is not None:
        out.print(f"anybody can read what is below {summary.public}")


def show_datasets(rows: Sequence[DatasetRow], *, as_json: bool) -> None:
    """The result of `saran datasets`."""
    if as_json:
        described = [{**asdict(row), "capabilities": row.capabilities.model_dump(mode="json")} for row in rows]
        _print_json({"datasets": described})
        return
    table = Table("name", "title", "files", "has", "terms")
    for row in rows:
        files = "bundled" if row.bundled else "yours, or a synthetic stand-in" if row.synthetic else "yours"
        has = [
            name if origin is Origin.GIVEN else f"{name} ({origin.value})"
            for name, origin in row.capabilities
            if origin is not Origin.NONE
        ]
        table.add_row(row.name, row.title, files, ", ".join(has), row.terms)
    out.print(table)


def _print_json(value: dict[str, Any]) -> None:
    out.file.write(json.dumps(value, default=str) + "\n")
