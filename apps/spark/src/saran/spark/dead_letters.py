"""The topic `events.dlq`: every rejected record as it came, with the reason and where it came from."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import KafkaError, Message, Producer

from saran.core.errors import SaranError
from saran.core.kafka_clients import client_options
from saran.core.names import Header, Topic
from saran.core.settings import Settings

_POLL_SECONDS: Final = 0.1
_log = logging.getLogger(__name__)


class DeadLetters:
    """Sends rejected records. At least once: a crash before silver.rejected's commit sends them again."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.kafka.timeout_ms / 1000
        self._bootstrap = settings.bootstrap
        self._failed: list[str] = []
        self._producer = Producer(
            {
                **client_options(settings),
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": settings.kafka.timeout_ms * 3,
                # A value may be as large as the largest that `events` takes, and headers come on top.
                "message.max.bytes": 16 << 20,
            },
            logger=_log,
        )

    def send(self, rows: Iterable[dict[str, Any]]) -> None:
        """Send rows of silver.rejected and wait until Kafka has them all. Raises SaranError when it does not."""
        self._failed.clear()
        for row in rows:
            self._produce(row)
        left = self._producer.flush(self._timeout * 3)
        if left or self._failed:
            self._producer.purge()
            why = self._failed[0] if self._failed else f"{left} records are not acknowledged"
            raise SaranError(
                f"{Topic.DLQ} at {self._bootstrap} does not take rejected records: {why}",
                fix="see that Kafka runs and has the topic; the batch is read again",
            )

    def _produce(self, row: dict[str, Any]) -> None:
        headers: list[tuple[str, str | bytes | None]] = [
            (Header.REASON, str(row["reason"]).encode()),
            (Header.ORIGIN, f"{row['topic']}/{row['partition']}/{row['offset']}".encode()),
        ]
        while True:
            try:
                self._producer.produce(
                    Topic.DLQ, value=row["value"], key=row["key"], headers=headers, on_delivery=self._delivered
                )
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(_POLL_SECONDS)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed.append(error.str())
