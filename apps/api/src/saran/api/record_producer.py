"""Records into Kafka, acknowledged (acks=all) before anyone is told that they were."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from saran.core.kafka_clients import client_options
from saran.core.settings import Settings

_log = logging.getLogger("saran.api.producer")


class NotAcknowledgedError(Exception):
    """Kafka did not acknowledge all records within the time-out; some of them may be there all the same."""


class _Pending:
    """Records of one request that wait for their acknowledgement; called back in the poll thread."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = count
        self._error: KafkaError | None = None
        self.done: asyncio.Future[None] = self._loop.create_future()

    def delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._error = self._error or error
        self._left -= 1
        if not self._left:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if self.done.done():
            return
        if self._error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(NotAcknowledgedError(self._error.str()))


class RecordProducer:
    """One idempotent producer, and the thread in which its acknowledgements arrive."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.kafka.timeout_ms / 1000
        self._producer = Producer(
            {
                **client_options(settings),
                "client.id": "saran-api",
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "linger.ms": 1,
                "message.timeout.ms": settings.kafka.timeout_ms,
                "socket.timeout.ms": settings.kafka.timeout_ms,
                "reconnect.backoff.max.ms": 1000,
                "topic.metadata.refresh.interval.ms": 10_000,
                "allow.auto.create.topics": False,
            },
            logger=_log,
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-acknowledgements", daemon=True)

    def start(self) -> None:
        """Start to receive acknowledgements."""
        self._thread.start()

    def close(self) -> None:
        """Wait for what is under way, at most the time-out, and end."""
        self._producer.flush(self._timeout)
        self._stop.set()
        self._thread.join()

    def send(self, topic: str, key: str, value: str, delivered: Callable[[KafkaError | None, Message], None]) -> None:
        """Put one record on its way; `delivered` is called in the producer's thread when Kafka has it or not.

        Raises BufferError, KafkaException when it cannot be sent.
        """
        self._producer.produce(topic, key=key, value=value, on_delivery=delivered)

    async def put(self, topic: str, records: Sequence[tuple[str, str | None]]) -> None:
        """Returns when Kafka has all records (key, value); without a value one is a tombstone.

        Raises NotAcknowledgedError when it has not within the time-out.
        """
        pending = _Pending(len(records))
        try:
            for key, value in records:
                self._producer.produce(topic, key=key, value=value, on_delivery=pending.delivered)
        except (BufferError, KafkaException) as error:
            raise NotAcknowledgedError(str(error)) from error
        try:
            # The client gives up by message.timeout.ms; the margin is for its answer to arrive.
            await asyncio.wait_for(pending.done, self._timeout + 1)
        except TimeoutError as error:
            raise NotAcknowledgedError("no acknowledgement in time") from error

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(0.2)
