"""`saran wait`: until the lakehouse holds all that Kafka holds, with the counts by layer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from saran.cli import operate
from saran.cli.console import err, out, print_json
from saran.cli.ledger import Ledger, wait_balanced
from saran.cli.platform.catalog import STREAMS
from saran.cli.platform.state import Phase, read_state
from saran.core.errors import SaranError
from saran.core.settings import Settings, load_settings

_PATIENCE: Final = 120.0


def run_wait(*, as_json: bool) -> None:
    """`saran wait`."""
    ledger = wait_ingested(load_settings())
    if as_json:
        print_json(asdict(ledger))
        return
    out.print(
        f"{ledger.topic:,} events in Kafka, {ledger.bronze:,} in bronze: "
        f"{ledger.silver:,} in silver, {ledger.rejected:,} rejected, {ledger.duplicates:,} duplicates"
    )


def wait_ingested(settings: Settings, *, patience: float = _PATIENCE) -> Ledger:
    """Wait until the streams have taken in all that is in Kafka now, with a bar a layer on stderr.

    Raises SaranError when the streams do not run, or nothing moves for `patience` seconds.
    """
    _require_streams(settings)
    operate.wait(settings, (STREAMS,))
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        bars = {name: progress.add_task(name, total=None) for name in ("bronze", "silver")}

        def watch(ledger: Ledger) -> None:
            progress.update(bars["bronze"], completed=ledger.bronze, total=ledger.topic)
            progress.update(bars["silver"], completed=ledger.settled, total=ledger.topic)

        return wait_balanced(settings, patience=patience, watch=watch, alive=lambda: _require_streams(settings))


def _require_streams(settings: Settings) -> None:
    state = read_state(settings.home)
    part = state.parts.get(STREAMS) if state is not None and state.supervisor.alive else None
    if part is None:
        raise SaranError(f"no streams run in {settings.home}", fix="start them with `saran up`")
    if part.phase is Phase.FAILED:
        raise SaranError(f"the streams do not run: {part.error}", fix=f"see {part.log}")
