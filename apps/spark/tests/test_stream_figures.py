"""What the stream driver tells Prometheus of Kafka."""

from __future__ import annotations

import time
import uuid

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tests.servers import Server

from saran.core.settings import Settings
from saran.spark.kafka_topics import KafkaTopics, TopicState
from saran.spark.stream_metrics import StreamMetrics
from saran.spark.stream_reporter import StreamReporter

pytestmark = pytest.mark.kafka

PARTITIONS = (0, 1, 2)


@pytest.fixture
def topic(kafka: Server, test_settings: Settings) -> TopicState:
    """Three partitions: two old records and a new one, an old one, none."""
    name = f"figures-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": test_settings.bootstrap})
    admin.create_topics([NewTopic(name, len(PARTITIONS), 1)])[name].result(timeout=15)
    now = int(time.time() * 1000)
    producer = Producer({"bootstrap.servers": test_settings.bootstrap})
    for partition, hours in ((0, 100), (0, 99), (0, 0), (1, 100)):
        producer.produce(name, b"x", partition=partition, timestamp=now - 3_600_000 * hours)
    assert producer.flush(30) == 0
    return TopicState(name, "id", dict.fromkeys(PARTITIONS, 0))


def _figures(metrics: StreamMetrics, topic: TopicState, name: str) -> list[float | None]:
    labels = [{"topic": topic.name, "partition": str(partition)} for partition in PARTITIONS]
    return [metrics.registry.get_sample_value(f"saran_ingest_{name}", each) for each in labels]


def test_records_that_will_expire_unread_are_counted(topic: TopicState, test_settings: Settings) -> None:
    topics, metrics = KafkaTopics(test_settings), StreamMetrics()
    ends = topics.ends(topic)
    since = topics.first_since(topic, time.time() - 3600)
    assert (ends, since) == ({0: 3, 1: 1, 2: 0}, {0: 2})

    metrics.expiring(topic.name, {**ends, **since}, {0: 1})
    assert _figures(metrics, topic, "expiring_records") == [1, 1, 0]
    metrics.expiring(topic.name, {**ends, **since}, {0: 2, 1: 1})
    assert _figures(metrics, topic, "expiring_records") == [0, 0, 0]


def test_the_reporter_tells_ends_lag_and_what_will_expire(topic: TopicState, test_settings: Settings) -> None:
    metrics = StreamMetrics()
    settings = test_settings.model_copy(update={"events_topic": topic.name})
    reporter = StreamReporter(settings, KafkaTopics(settings), metrics, lambda: True)
    reporter.add_stream(topic, {0: 1}, ())
    reporter.start()
    reporter.close()
    assert _figures(metrics, topic, "end_offset") == [3, 1, 0]
    assert _figures(metrics, topic, "offsets_behind") == [2, 1, 0]
    assert _figures(metrics, topic, "expiring_records") == [1, 1, 0]
