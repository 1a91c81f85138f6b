"""The ledger over a loss: what was sent is in silver once after a restore, whether Kafka outlived the loss or not.

A real broker, Spark, PostgreSQL and the online worker. The backup is taken while Kafka has more than was ingested.
"""

from __future__ import annotations

import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from deltalake import DeltaTable
from pydantic import SecretStr
from pyspark.sql import SparkSession

from saran.api.worker import Worker
from saran.api.worker_metrics import WorkerMetrics
from saran.core.names import Table
from saran.core.settings import Settings
from saran.spark.backup.create import create
from saran.spark.backup.restore import restore
from saran.spark.dead_letters import DeadLetters
from saran.spark.ingest_events import EventIngest
from saran.spark.kafka_stream import KafkaStream
from saran.spark.kafka_topics import KafkaTopics, check_ends, first_offsets
from saran.spark.rejected_sink import RejectedSink
from tests.ledger import histories
from tests.platform import wait
from tests.servers import Server

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(600)]

EVENTS: Final = 600
PARTITIONS: Final = 2


class Installation:
    """One topic, the tables of its events and a worker; the rest of a platform is left out."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark = spark
        self.settings = settings
        self.topic = settings.events_topic
        self._admin = AdminClient({"bootstrap.servers": settings.bootstrap})

    def make_topic(self) -> None:
        """Make the topic, as soon as an earlier one of the name is gone."""

        def made() -> bool:
            try:
                self._admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])[self.topic].result(10)
            except KafkaException:
                return False
            return True

        wait("the topic", made)

    def lose_topic(self) -> None:
        self._admin.delete_topics([self.topic])[self.topic].result(10)

    def send(self, first: int, count: int) -> None:
        """Events by number, of ten users; each fiftieth record is no event."""
        producer = Producer({"bootstrap.servers": self.settings.bootstrap, "enable.idempotence": True})
        for number in range(first, first + count):
            value = f"wrong {number}" if number % 50 == 0 else event(number)
            producer.produce(self.topic, value=value.encode(), partition=number % PARTITIONS)
        assert producer.flush(30) == 0

    def ingest(self) -> EventIngest:
        """Take in all that Kafka has now, as a new driver would."""
        kafka = KafkaTopics(self.settings)
        found = kafka.wait_for([self.topic], threading.Event())
        assert found is not None
        state = found[self.topic]
        rejected = RejectedSink(self.settings, DeadLetters(self.settings).send)
        ingest = EventIngest(self.settings, state, rejected, "test", lambda outcome: None)
        first = first_offsets(state, ingest.next_offsets())
        check_ends(state, first, kafka.ends(state))
        stream = KafkaStream(ingest, f"{self.topic}/{uuid.uuid4().hex}")
        stream.start(self.spark, self.settings, self.topic, first, once=True)
        wait("the stream", lambda: stream.failure() is not None)
        assert stream.failure() == "it was stopped"
        stream.stop(1)
        rejected.close()
        return ingest

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        found = DeltaTable(self.settings.table_path(table)).to_pyarrow_dataset().to_table(columns=list(columns))
        return [tuple(row.values()) for row in found.to_pylist()]

    def lose_home(self) -> None:
        shutil.rmtree(self.settings.home)
        with psycopg.connect(self.settings.postgres_url) as connection:
            connection.execute("DROP SCHEMA online CASCADE")
            connection.execute("DROP SCHEMA analytics CASCADE")

    def histories_become(self, wanted: dict[str, int]) -> None:
        """Run the worker until each user has so many events, each another item."""
        stop = threading.Event()
        worker = Worker(self.settings, stop, WorkerMetrics())
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            wait("the histories", lambda: self._history_sizes() == wanted)
        finally:
            stop.set()
            thread.join()

    def _history_sizes(self) -> dict[str, int]:
        found = histories(self.settings.postgres_url)
        assert all(set(items.values()) == {1} for items in found.values()), "an event counts once"
        return {user: sum(items.values()) for user, items in found.items()}


def event(number: int) -> str:
    return (
        f'{{"event_id":"{number:032x}","event_time":"2015-06-02T05:02:12.117Z","user_id":"{number % 10}",'
        f'"item_id":"{number}","action":"view","source":"test"}}'
    )


def good(count: int) -> list[tuple[str]]:
    return [(f"{number:032x}",) for number in range(count) if number % 50]


def sizes(count: int) -> dict[str, int]:
    return dict(Counter(str(number % 10) for number in range(count) if number % 50))


@pytest.fixture
def shop(
    spark: SparkSession, kafka: Server, test_settings: Settings, postgres_url: str, tmp_path: Path
) -> Iterator[Installation]:
    del kafka
    made = Installation(
        spark,
        Settings(
            home=tmp_path / "home",
            kafka_bootstrap=test_settings.bootstrap,
            database_url=SecretStr(postgres_url),
            events_topic=f"loss-{uuid.uuid4().hex[:8]}",
        ),
    )
    made.make_topic()
    yield made
    made.lose_topic()


def test_every_event_once_after_a_loss(shop: Installation, tmp_path: Path) -> None:
    def check(count: int, *, in_bronze: int) -> None:
        assert sorted(shop.rows(Table.SILVER_EVENTS, "event_id")) == good(count)
        wrong = sorted(shop.rows(Table.SILVER_REJECTED, "value"))
        assert wrong == sorted((f"wrong {number}".encode(),) for number in range(0, count, 50))
        assert len(shop.rows(Table.BRONZE_EVENTS, "offset")) == in_bronze

    third = EVENTS // 3
    shop.send(0, third)
    shop.ingest()
    shop.send(third, third)
    shop.histories_become(sizes(2 * third))
    made = create(shop.settings, tmp_path / "backups", lambda what, done, total: None)
    shop.send(2 * third, third)
    shop.ingest()
    check(EVENTS, in_bronze=EVENTS)

    # Kafka outlives the home: what came after the backup is read from it again, by ingest and by the worker.
    shop.lose_home()
    restore(shop.settings, tmp_path / "backups", made, lambda what, done, total: None)
    check(third, in_bronze=third)
    ingest = shop.ingest()
    check(EVENTS, in_bronze=EVENTS)
    shop.histories_become(sizes(EVENTS))
    bronze, silver, _ = ingest.counts()
    assert (bronze.rows, bronze.read_offsets, silver.duplicate_rows) == (EVENTS, EVENTS, 0)

    # Kafka is lost too: its topic is made anew, with offsets from 0, and everything is sent again.
    shop.lose_home()
    shop.lose_topic()
    restore(shop.settings, tmp_path / "backups", made, lambda what, done, total: None)
    shop.make_topic()
    shop.ingest()
    check(third, in_bronze=third)
    shop.histories_become(sizes(2 * third))
    shop.send(0, EVENTS)
    ingest = shop.ingest()
    check(EVENTS, in_bronze=third + EVENTS)
    shop.histories_become(sizes(EVENTS))
    bronze, silver, _ = ingest.counts()
    assert (bronze.rows, bronze.read_offsets, silver.duplicate_rows) == (
        third + EVENTS,
        EVENTS,
        third,
    )
