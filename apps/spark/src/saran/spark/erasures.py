"""What the topic `requests` orders, carried out between two micro-batches: erasures, and to look after the tables.

silver.erasures holds the tombstones, and the offsets up to which orders were carried out: the rows are deleted first,
so that an order whose driver was killed is carried out again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from saran.core.erasures import Erasure, Tombstones, erasure_key, milliseconds, read_erasure
from saran.core.kafka_clients import client_options
from saran.core.maintenance import order_maintenance, read_maintenance
from saran.core.names import Group, Table
from saran.core.settings import Settings
from saran.spark import lake_schemas
from saran.spark.ingest_events import EventIngest
from saran.spark.kafka_stream import KafkaStream
from saran.spark.kafka_topics import TopicState
from saran.spark.outcomes import Erased, TableCount
from saran.spark.owned_table import Progress, open_owned
from saran.spark.upkeep import Upkeep, upkeep_of

_LOOK_SECONDS: Final = 1.0
_MOST: Final = 500
_UPKEEP_SECONDS: Final = 24 * 3600.0
_FIRST_UPKEEP_SECONDS: Final = 600.0
"""After a start: a driver that is started anew each day has its old files removed all the same."""

Look = Callable[[Upkeep], None]
"""Looks after all other tables of the driver."""

Tell = Callable[[Sequence[Erased], Sequence[TableCount]], None]
"""Hears of erasures that are done, and of the tables' rows then."""

_log = logging.getLogger(__name__)


class ErasureKeeper:
    """Owner of silver.erasures. `tell` hears of each erasure that is done, those of earlier drivers at the start.

    `look` is called for each order to look after the tables, and once a day without one.
    """

    def __init__(self, settings: Settings, topic: TopicState, tell: Tell, look: Look) -> None:
        self._settings = settings
        self._topic = topic
        self._tell = tell
        self._look = look
        self._table = open_owned(settings, Table.SILVER_ERASURES, lake_schemas.ERASURES)
        self._tombstones = Tombstones()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: str | None = None
        self._upkeep_at = time.monotonic() + _FIRST_UPKEEP_SECONDS
        rows = self._table.read(["subject", "request_id", "until", "erased_at"]).to_pylist()
        if rows:
            found = {row["subject"]: milliseconds(row["until"]) for row in rows}
            self._tombstones = self._tombstones.with_more(found, erasure_key(settings))
            tell([Erased(row["subject"], row["request_id"], row["erased_at"]) for row in rows], ())

    @property
    def tombstones(self) -> Tombstones:
        """All that are known."""
        return self._tombstones

    def start(self, stream: KafkaStream, ingest: EventIngest) -> None:
        """Begin to carry out orders, in the pauses of `stream`, which `ingest` takes."""
        self._thread = threading.Thread(target=self._run, args=(stream, ingest), name="erasures", daemon=True)
        self._thread.start()

    def failure(self) -> str | None:
        """Why no more orders are carried out, None while they are."""
        return self._failure

    def close(self) -> None:
        """End when the order under way is done."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, stream: KafkaStream, ingest: EventIngest) -> None:
        try:
            self._follow(stream, ingest)
        except Exception as error:  # noqa: BLE001  whatever it is, the driver ends with it and is started again
            _log.exception("erasures are no longer carried out")
            self._failure = str(error)

    def _follow(self, stream: KafkaStream, ingest: EventIngest) -> None:
        consumer = Consumer(
            {
                **client_options(self._settings),
                "group.id": f"{Group.INGEST}-source-requests",
                "enable.auto.commit": False,
                "allow.auto.create.topics": False,
            },
            logger=_log,
        )
        consumer.assign([TopicPartition(self._topic.name, p, self._first(p)) for p in self._topic.earliest])
        try:
            while not self._stop.is_set():
                messages = [m for m in consumer.consume(_MOST, timeout=_LOOK_SECONDS) if _is_record(m)]
                if messages:
                    stream.between_batches(lambda messages=messages: self._take(ingest, messages))  # type: ignore[misc]
                orders = [order.requested_at for m in messages if (order := read_maintenance(m.value())) is not None]
                if orders:
                    self._keep_up(stream, ingest, max(orders))
                elif not messages and time.monotonic() > self._upkeep_at:
                    self._keep_up(stream, ingest, order_maintenance().requested_at)
        finally:
            consumer.close()

    def _keep_up(self, stream: KafkaStream, ingest: EventIngest, at: datetime) -> None:
        order = upkeep_of(self._settings, at)
        self._look(order)
        self._table.upkeep(order)
        stream.between_batches(lambda: self._tell((), ingest.counts()))
        self._upkeep_at = time.monotonic() + _UPKEEP_SECONDS

    def _first(self, partition: int) -> int:
        reached = self._table.next_offset(self._topic.name, self._topic.topic_id, partition)
        return max(reached or 0, self._topic.earliest[partition])

    def _take(self, ingest: EventIngest, messages: Sequence[Message]) -> None:
        orders = [order for message in messages if (order := read_erasure(message.value())) is not None]
        ends = {int(message.partition() or 0): int(message.offset() or 0) + 1 for message in messages}
        progress = Progress(self._topic.name, self._topic.topic_id, ends)
        # Of a user's orders the one that reaches furthest counts, among these and against those of before.
        newest: dict[str, Erasure] = {}
        for order in orders:
            before = max(
                self._tombstones.subjects.get(order.subject, -1),
                newest[order.subject].until_ms if order.subject in newest else -1,
            )
            if order.until_ms > before:
                newest[order.subject] = order
        if not newest:
            self._table.append([], progress, {})
            return
        key = erasure_key(self._settings)
        wanted = Tombstones().with_more({subject: order.until_ms for subject, order in newest.items()}, key)
        ingest.tombstones = self._tombstones = self._tombstones.with_more(wanted.subjects, key)
        started = time.monotonic()
        note: dict[str, object] = {"requests": [order.request_id for order in newest.values()]}
        deleted = ingest.erase(wanted, note)
        done_at = datetime.now(UTC)
        rows = [
            {**order.model_dump(include={"subject", "request_id", "requested_at", "until"}), "erased_at": done_at}
            for order in newest.values()
        ]
        self._table.upsert(pa.Table.from_pylist(rows, lake_schemas.ERASURES), "subject", progress, note)
        self._tell([Erased(order.subject, order.request_id, done_at) for order in newest.values()], ingest.counts())
        _log.info("%d erasures: %d events deleted in %.1f s", len(newest), deleted, time.monotonic() - started)


def _is_record(message: Message) -> bool:
    """Whether it is a record, and no error that Kafka's client recovers from. Raises KafkaException for another."""
    error = message.error()
    if error is not None and error.fatal():
        raise KafkaException(error)
    return error is None
