"""Where every event is: counts by layer, from Kafka and from what the Spark driver writes to PostgreSQL."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition

from saran.core.errors import SaranError
from saran.core.kafka_clients import client_options
from saran.core.names import Table
from saran.core.settings import Settings
from saran.core.topics import NO_LEADER_YET

_TIMEOUT: Final = 10
_POLL_SECONDS: Final = 0.2
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ledger:
    """Events by layer, since the home was made. `topic` is what Kafka acknowledged, since the topic was made."""

    topic: int
    bronze: int
    silver: int
    rejected: int
    duplicates: int
    read: int | None = None
    """Of `topic`, what bronze has: fewer than bronze has where the topic was lost and made anew. None: not told."""

    @property
    def balanced(self) -> bool:
        """Whether all that Kafka has is accounted for, each record once."""
        read = self.bronze if self.read is None else self.read
        return read == self.topic and self.settled == self.bronze

    @property
    def settled(self) -> int:
        """Events whose fate is known."""
        return self.silver + self.rejected + self.duplicates


def events_in_topic(settings: Settings) -> int:
    """Records ever written to the topic of events. Raises SaranError when Kafka does not answer."""
    return records_in_topic(settings, settings.events_topic)


def records_in_topic(settings: Settings, name: str) -> int:
    """Records ever written to a topic. Raises SaranError when Kafka does not answer."""
    consumer = Consumer({**client_options(settings), "group.id": "saran-ledger"}, logger=_log)
    try:
        topic = consumer.list_topics(name, timeout=_TIMEOUT).topics[name]
        ends = [_end(consumer, TopicPartition(name, number)) for number in topic.partitions]
    except KafkaException as error:
        raise SaranError(
            f"Kafka at {settings.bootstrap} does not answer: {error.args[0]}", fix="see `saran logs kafka`"
        ) from error
    finally:
        consumer.close()
    return sum(ends)


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """Offset behind the newest record; waits while a broker that has just come up takes the partition over."""
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            return int(consumer.get_watermark_offsets(partition, timeout=_TIMEOUT)[1])
        except KafkaException as error:
            if error.args[0].code() not in NO_LEADER_YET or time.monotonic() > deadline:
                raise
        time.sleep(_POLL_SECONDS)


def read_ledger(settings: Settings, topic: int) -> Ledger:
    """The counts as the Spark driver last wrote them; `topic` as `events_in_topic` gives it."""
    with psycopg.connect(settings.postgres_url, connect_timeout=_TIMEOUT) as connection:
        rows = connection.execute(
            "SELECT table_name, rows, rejected_rows, duplicate_rows, read_offsets FROM analytics.table_counts"
        ).fetchall()
    counts = {str(name): books for name, *books in rows}
    bronze, *_, read = counts.get(Table.BRONZE_EVENTS, (0, None))
    silver, rejected, duplicates, _ = counts.get(Table.SILVER_EVENTS, (0, 0, 0, None))
    # Duplicates are unknown while bronze is ahead of silver; the sum then falls short of bronze, as it should.
    return Ledger(topic, bronze, silver, rejected=rejected or 0, duplicates=duplicates or 0, read=read)


def wait_balanced(
    settings: Settings, *, patience: float, watch: Callable[[Ledger], None], alive: Callable[[], None]
) -> Ledger:
    """Wait until the ingest stream has taken in all that is in Kafka now; the ledger then.

    Raises SaranError when nothing moves for `patience` seconds. `alive` is called at each look and may raise.
    """
    topic = events_in_topic(settings)
    last: Ledger | None = None
    deadline = time.monotonic() + patience
    while True:
        alive()
        ledger = read_ledger(settings, topic)
        watch(ledger)
        if ledger.balanced:
            return ledger
        if ledger != last:
            last, deadline = ledger, time.monotonic() + patience
        elif time.monotonic() > deadline:
            raise SaranError(
                f"the ingest stream has not moved for {patience:.0f} s: {topic} events in Kafka, {ledger.bronze} in "
                f"bronze, {ledger.silver} in silver, {ledger.rejected} rejected, {ledger.duplicates} duplicates",
                fix="see `saran logs streams`",
            )
        time.sleep(_POLL_SECONDS)
