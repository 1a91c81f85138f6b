"""Bytes into Kafka: bounded, idempotent, and always knowing up to which row everything is acknowledged.

No Python call is made per record, neither to send nor on delivery. Records of a partition are acknowledged in
their order (idempotence, gapless), so a delivery report for the last record of each partition in a slice is
enough to know that the slice is in Kafka.
"""

from __future__ import annotations

import functools
import itertools
import logging
import operator
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from saran.core.errors import SaranError
from saran.core.kafka_clients import client_options
from saran.core.settings import Settings
from saran.producer.broker_away import broker_away
from saran.producer.partitions import Partitions

MAX_RECORDS: Final = 200_000
"""Records that may wait for their acknowledgement."""
MAX_BYTES: Final = 96 << 20
"""Bytes that may wait for their acknowledgement; one slice may exceed it when nothing else waits."""
_POLL_SECONDS: Final = 0.02

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Slice:
    """Records to send together. `keys` and `values` are Binary columns of one length, `partitions` their partitions."""

    keys: pl.Series
    values: pl.Series
    partitions: Partitions

    @functools.cached_property
    def bytes(self) -> int:
        """Bytes of keys and values."""
        return sum(int(column.bin.size().sum() or 0) for column in (self.keys, self.values))


@dataclass
class _Pending:
    """A slice that was sent: how many of its partitions are not acknowledged yet, and what to do when all are."""

    records: int
    bytes: int
    partitions: int
    on_acknowledged: Callable[[], None]


@dataclass
class Counts:
    """What happened so far."""

    sent: int = 0
    acknowledged: int = 0
    bytes: int = 0
    errors: int = 0


class Sender:
    """A Kafka producer for slices. Use as a context manager; leaving it without an error waits for every record.

    `patience` is how many seconds may pass without any acknowledgement, while some are due, before SaranError.
    """

    def __init__(self, settings: Settings, *, patience: float, compression: str = "lz4") -> None:
        self.counts = Counts()
        self._bootstrap = settings.bootstrap
        self._patience = patience
        self._pending: deque[_Pending] = deque()
        self._waiting_bytes = 0
        self._waiting_records = 0
        self._progress_at = time.monotonic()
        self._failure: KafkaError | None = None
        self._producer = Producer(
            {
                **client_options(settings),
                "client.id": "saran-load",
                "acks": "all",
                "enable.idempotence": True,
                # A record that fails must stop the producer, not leave a hole before later ones.
                "enable.gapless.guarantee": True,
                # librdkafka would drop what waits too long; how long to wait is `patience`, which drops nothing.
                "message.timeout.ms": 0,
                "compression.type": compression,
                "linger.ms": 20,
                "batch.size": 256 << 10,
                "batch.num.messages": 20_000,
                "queue.buffering.max.messages": 2 * MAX_RECORDS,
                "queue.buffering.max.kbytes": 1 << 20,
                "socket.timeout.ms": settings.kafka.timeout_ms,
                "reconnect.backoff.max.ms": 1000,
                "error_cb": self._on_error,
            },
            logger=_log,
        )
        self._timeout = settings.kafka.timeout_ms / 1000

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.flush()
        else:
            self._producer.purge()

    def cluster_and_partitions(self, topic: str) -> tuple[str, int]:
        """Id of the cluster and how many partitions `topic` has. SaranError when Kafka does not answer in time."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                metadata = self._producer.list_topics(topic, timeout=self._timeout)
            except KafkaException as error:
                raise broker_away(self._bootstrap, error) from error
            if partitions := len(metadata.topics[topic].partitions):
                return str(metadata.cluster_id), partitions
            # A broker does not know at once what its controller has just created.
            if time.monotonic() > deadline:
                raise SaranError(
                    f"Kafka at {self._bootstrap} has no topic {topic!r}",
                    fix="create it by `saran up`, or by your operator",
                )
            self._producer.poll(_POLL_SECONDS)

    def send(self, topic: str, records: Slice, on_acknowledged: Callable[[], None]) -> None:
        """Hand over a slice; waits while too much waits. `on_acknowledged` is called, from a later call of this
        object, when every record of this slice and of all before it is in Kafka.

        Raises SaranError when Kafka refuses a record, or acknowledges nothing for `patience` seconds.
        """
        size = len(records.keys)
        while self._pending and (
            self._waiting_records + size > MAX_RECORDS or self._waiting_bytes + records.bytes > MAX_BYTES
        ):
            self.poll(_POLL_SECONDS)
        if not self._pending:
            self._progress_at = time.monotonic()
        last = {int(partition): row for row, partition in enumerate(records.partitions)}
        pending = _Pending(size, records.bytes, len(last), on_acknowledged)
        reports: list[Callable[[KafkaError | None, Message], None] | None] = [None] * size
        for row in last.values():
            reports[row] = functools.partial(self._delivered, pending)
        self._pending.append(pending)
        self._waiting_records += size
        self._waiting_bytes += records.bytes
        self._produce(topic, records, reports)
        self.counts.sent += size
        self.counts.bytes += records.bytes
        self.poll(0)

    def poll(self, seconds: float) -> None:
        """Serve delivery reports for at most `seconds`. Raises as `send`."""
        self._producer.poll(seconds)
        if self._failure is not None:
            raise SaranError(f"Kafka at {self._bootstrap} refused records: {self._failure.str()}")
        while self._pending and not self._pending[0].partitions:
            done = self._pending.popleft()
            self._waiting_records -= done.records
            self._waiting_bytes -= done.bytes
            self.counts.acknowledged += done.records
            done.on_acknowledged()
        if self._pending and time.monotonic() - self._progress_at > self._patience:
            raise broker_away(self._bootstrap, f"nothing was acknowledged for {self._patience:g} s")

    def flush(self) -> None:
        """Wait until everything is acknowledged. Raises as `send`."""
        self.poll(0)
        while self._pending:
            self.poll(_POLL_SECONDS)

    def _produce(self, topic: str, records: Slice, reports: list[Any]) -> None:
        keys, values = records.keys.to_list(), records.values.to_list()
        partitions = records.partitions.tolist()
        first = 0
        while first < len(values):
            # The iterator's length hint says which record the queue had no room for.
            remaining = iter(values[first:])
            calls = map(
                self._producer.produce,
                itertools.repeat(topic),
                remaining,
                keys[first:],
                partitions[first:],
                reports[first:],
            )
            try:
                deque(calls, maxlen=0)
                return
            except BufferError:
                first = len(values) - operator.length_hint(remaining) - 1
                self.poll(_POLL_SECONDS)
            except KafkaException as error:
                raise SaranError(f"Kafka's client refused a record: {error.args[0].str()}") from error

    def _delivered(self, pending: _Pending, error: KafkaError | None, _: Message) -> None:
        self._progress_at = time.monotonic()
        if error is not None:
            self.counts.errors += 1
            self._failure = error
            return
        pending.partitions -= 1

    def _on_error(self, error: KafkaError) -> None:
        self.counts.errors += 1
        _log.warning("Kafka: %s", error.str())
        if error.fatal():
            self._failure = error
