"""The job `maintain`: has every table compacted and its old files removed, each by its owner, and says how large it is.

Tables of trainings and of features are looked after here, under their owner's lock. What the streams own is theirs to
change: they get an order by the topic `requests` and carry it out between two micro-batches. On a laptop where no
stream runs, this job is the owner meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import KafkaError, Message, Producer

from saran.core.errors import SaranError
from saran.core.job_lock import STREAMS, only_one
from saran.core.kafka_clients import client_options
from saran.core.maintenance import KEY, MaintenanceOrder, order_maintenance
from saran.core.names import Table, Topic
from saran.core.settings import Settings
from saran.core.stored_files import files_below
from saran.spark.backup.unfinished import require_finished
from saran.spark.owned_table import open_owned
from saran.spark.table_owners import INGEST, OF_JOBS, OF_STREAMS
from saran.spark.tables import open_table
from saran.spark.upkeep import Upkeep, is_done, upkeep, upkeep_of

_LOOK_SECONDS: Final = 0.5
_RETENTION: Final = (Table.SILVER_REJECTED, Table.SILVER_EVENTS, Table.BRONZE_EVENTS)

Watch = Callable[[str], None]
"""Called with what is done now."""


@dataclass(frozen=True)
class TableSize:
    """A table at its newest version, and all that lies in its folder."""

    version: int
    rows: int
    files: int
    bytes: int
    stored_files: int
    """Data files in the folder, those of older versions included."""
    stored_bytes: int


@dataclass(frozen=True)
class Maintained:
    """A table before and after."""

    table: str
    before: TableSize
    after: TableSize


def maintain(settings: Settings, *, patience: float, watch: Watch) -> list[Maintained]:
    """Look after every table that there is, by name.

    Raises SaranError when a restore has not ended, the streams do not answer within `patience` seconds, or another job
    holds a lock that this one needs.
    """
    require_finished(settings)
    before = {name: size for name in (*OF_STREAMS, *_of_jobs()) if (size := measure(settings, name)) is not None}
    ordered = order_maintenance()
    order = upkeep_of(settings, ordered.requested_at)
    streams = [name for name in OF_STREAMS if name in before]
    told = bool(streams) and not _as_owner(settings, streams, order, watch)
    if told:
        watch("telling the streams")
        send_order(settings, ordered)
    for lock, tables in OF_JOBS.items():
        there = [name for name in tables if name in before]
        if there:
            with only_one(settings, lock, patience=patience):
                _look_after(settings, there, order, watch)
    if told:
        _wait(settings, streams, order, patience, watch)
    after = {name: measure(settings, name) for name in before}
    return [Maintained(name, size, now) for name, size in sorted(before.items()) if (now := after[name]) is not None]


def measure(settings: Settings, name: str) -> TableSize | None:
    """How large a table is, by its log and its folder; None where there is none. Reads no row."""
    table = open_table(settings, name)
    if table is None:
        return None
    files = pa.table(table.get_add_actions(flatten=True))
    stored = [one.size for one in files_below(settings.table_folder(name)) if not one.name.startswith("_")]
    return TableSize(
        version=int(table.version()),
        rows=int(table.count()),
        files=files.num_rows,
        bytes=pc.sum(files.column("size_bytes")).as_py() or 0,
        stored_files=len(stored),
        stored_bytes=sum(stored),
    )


def _of_jobs() -> Iterable[str]:
    return (name for tables in OF_JOBS.values() for name in tables)


def _as_owner(settings: Settings, streams: list[str], order: Upkeep, watch: Watch) -> bool:
    """Look after the streams' tables in their stead; False, and nothing is done, where they may run."""
    with ExitStack() as stack:
        if settings.mode == "cluster":
            return False
        try:
            stack.enter_context(only_one(settings, STREAMS))
        except SaranError:
            return False
        if order.expired is not None:
            for name in _RETENTION:
                if name in streams:
                    open_owned(settings, name, INGEST[name]).delete(order.expired, {"event_days": order.event_days})
        _look_after(settings, streams, order, watch)
        return True


def _look_after(settings: Settings, tables: Iterable[str], order: Upkeep, watch: Watch) -> None:
    for name in tables:
        watch(name)
        upkeep(settings.table_folder(name), name, order)


def send_order(settings: Settings, order: MaintenanceOrder) -> None:
    """Put the order into the topic `requests`. Raises SaranError when Kafka does not take it."""
    refused: list[str] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            refused.append(error.str())

    timeout = settings.kafka.timeout_ms
    producer = Producer({**client_options(settings), "enable.idempotence": True, "message.timeout.ms": timeout})
    producer.produce(Topic.REQUESTS, key=KEY, value=order.model_dump_json(), on_delivery=delivered)
    if producer.flush(2 * timeout / 1000) or refused:
        raise SaranError(
            f"Kafka at {settings.bootstrap} does not take the order to the streams: "
            f"{refused[0] if refused else 'no answer in time'}",
            fix="see that it runs, and run this again: nothing was changed so far",
        )


def _wait(settings: Settings, tables: list[str], order: Upkeep, patience: float, watch: Watch) -> None:
    deadline = time.monotonic() + patience
    left = list(tables)
    while left := [name for name in left if not is_done(settings.table_folder(name), order)]:
        watch(f"{left[0]}, by the streams")
        if time.monotonic() > deadline:
            raise SaranError(
                f"the streams have not looked after {', '.join(left)} within {patience:g} s",
                fix="see that they run (`saran status`) and what their log says; the order stands, and is carried out "
                "when they run",
            )
        time.sleep(_LOOK_SECONDS)
