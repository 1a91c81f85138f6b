"""What the topic `requests` orders: to erase users, between two micro-batches, and to look after the tables.

silver.erasures holds the tombstones, and the offsets up to which orders were carried out: the rows are deleted first,
so that an order whose driver was killed is carried out again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa
from confluent_kafka import Message

from saran.core.erasures import Erasure, Tombstones, erasure_key, milliseconds, read_erasure
from saran.core.maintenance import order_maintenance, read_maintenance
from saran.core.names import Table
from saran.core.settings import Settings
from saran.spark import lake_schemas
from saran.spark.ingest_events import EventIngest
from saran.spark.ingest_users import UserIngest
from saran.spark.kafka_stream import KafkaStream
from saran.spark.kafka_topics import TopicState
from saran.spark.outcomes import Erased, TableCount
from saran.spark.owned_table import Progress, open_owned
from saran.spark.topic_follower import TopicFollower
from saran.spark.upkeep import Upkeep, upkeep_of

_UPKEEP_SECONDS: Final = 24 * 3600.0
_FIRST_UPKEEP_SECONDS: Final = 600.0
"""After a start: a driver that is started anew each day has its old files removed all the same."""

Look = Callable[[Upkeep], None]
"""Looks after all other tables of the driver."""

Tell = Callable[[Sequence[Erased], Sequence[TableCount]], None]
"""Hears of erasures that are done, and of the tables' rows then."""

_log = logging.getLogger(__name__)


class ErasureKeeper(TopicFollower):
    """Owner of silver.erasures. `tell` hears of each erasure that is done, those of earlier drivers at the start.

    `look` is called for each order to look after the tables, and once a day without one.
    """

    def __init__(self, settings: Settings, topic: TopicState, tell: Tell, look: Look) -> None:
        super().__init__(settings, topic, open_owned(settings, Table.SILVER_ERASURES, lake_schemas.ERASURES))
        self._tell = tell
        self._look = look
        self._tombstones = Tombstones()
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

    def start(self, stream: KafkaStream, ingest: EventIngest, users: UserIngest) -> None:
        """Begin to carry out orders, in the pauses of `stream`, which `ingest` takes, and among `users`."""
        self._stream, self._ingest, self._users = stream, ingest, users
        self.follow()

    def _take(self, messages: Sequence[Message], progress: Progress) -> None:
        self._stream.between_batches(lambda: self._carry_out(messages, progress))
        orders = [order.requested_at for m in messages if (order := read_maintenance(m.value())) is not None]
        if orders:
            self._keep_up(max(orders))

    def _idle(self) -> None:
        if time.monotonic() > self._upkeep_at:
            self._keep_up(order_maintenance().requested_at)

    def _keep_up(self, at: datetime) -> None:
        order = upkeep_of(self._settings, at)
        self._look(order)
        self._table.upkeep(order)
        self._stream.between_batches(lambda: self._tell((), self._ingest.counts()))
        self._upkeep_at = time.monotonic() + _UPKEEP_SECONDS

    def _carry_out(self, messages: Sequence[Message], progress: Progress) -> None:
        orders = [order for message in messages if (order := read_erasure(message.value())) is not None]
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
        ingest = self._ingest
        ingest.tombstones = self._tombstones = self._tombstones.with_more(wanted.subjects, key)
        started = time.monotonic()
        note: dict[str, object] = {"requests": [order.request_id for order in newest.values()]}
        deleted = ingest.erase(wanted, note)
        self._users.erase(wanted, note)
        done_at = datetime.now(UTC)
        rows = [
            {**order.model_dump(include={"subject", "request_id", "requested_at", "until"}), "erased_at": done_at}
            for order in newest.values()
        ]
        self._table.upsert(pa.Table.from_pylist(rows, lake_schemas.ERASURES), "subject", progress, note)
        self._tell([Erased(order.subject, order.request_id, done_at) for order in newest.values()], ingest.counts())
        _log.info("%d erasures: %d events deleted in %.1f s", len(newest), deleted, time.monotonic() - started)
