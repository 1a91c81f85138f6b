"""A thread that takes the records of a small topic into the table that holds how far it has come."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from saran.core.kafka_clients import client_options
from saran.core.names import Group
from saran.core.settings import Settings
from saran.spark.kafka_topics import TopicState
from saran.spark.owned_table import OwnedTable, Progress

_LOOK_SECONDS: Final = 1.0
_MOST: Final = 500
_SILENCE_SECONDS: Final = 30.0
"""After which a consumer is made anew. When a broker is killed and comes back with a new epoch of its partitions,
librdkafka 2.16 may ask with the old one for ever and be refused: neither a record nor an error is seen then."""

_log = logging.getLogger(__name__)


class TopicFollower(ABC):
    """Owner of `table`. Records whose offsets its commits do not reach are taken again after a start."""

    def __init__(self, settings: Settings, topic: TopicState, table: OwnedTable) -> None:
        self._settings = settings
        self._topic = topic
        self._table = table
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: str | None = None

    @property
    def name(self) -> str:
        """The topic."""
        return self._topic.name

    @abstractmethod
    def _take(self, messages: Sequence[Message], progress: Progress) -> None:
        """Take records and commit how far they reach. May be called again with the same records after a death."""

    def _idle(self) -> None:
        """Called while there is nothing to take."""
        return

    def follow(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def failure(self) -> str | None:
        """Why no more records are taken, None while they are."""
        return self._failure

    def close(self) -> None:
        """End when what is under way is done."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001  whatever it is, the driver ends with it and is started again
            _log.exception("records of %s are no longer taken", self.name)
            self._failure = str(error)

    def _follow(self) -> None:
        consumer = self._consumer()
        heard_at = time.monotonic()
        try:
            while not self._stop.is_set():
                messages = [m for m in consumer.consume(_MOST, timeout=_LOOK_SECONDS) if _is_record(m)]
                if messages:
                    ends = {int(message.partition() or 0): int(message.offset() or 0) + 1 for message in messages}
                    self._take(messages, Progress(self.name, self._topic.topic_id, ends))
                    heard_at = time.monotonic()
                    continue
                self._idle()
                if time.monotonic() - heard_at > _SILENCE_SECONDS:
                    consumer.close()
                    consumer = self._consumer()
                    heard_at = time.monotonic()
        finally:
            consumer.close()

    def _consumer(self) -> Consumer:
        """One that begins where the table ends."""
        consumer = Consumer(
            {
                **client_options(self._settings),
                "group.id": f"{Group.INGEST}-source-{self.name}",
                "enable.auto.commit": False,
                "allow.auto.create.topics": False,
            },
            logger=_log,
        )
        consumer.assign([TopicPartition(self.name, p, self._first(p)) for p in self._topic.earliest])
        return consumer

    def _first(self, partition: int) -> int:
        reached = self._table.next_offset(self.name, self._topic.topic_id, partition)
        return max(reached or 0, self._topic.earliest[partition])


def _is_record(message: Message) -> bool:
    """Whether it is a record, and no error that Kafka's client recovers from. Raises KafkaException for another."""
    error = message.error()
    if error is not None and error.fatal():
        raise KafkaException(error)
    return error is None
