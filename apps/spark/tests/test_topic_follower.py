"""Records of a small topic are taken, whatever becomes of the consumer that heard of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, Producer

from saran.core.names import Topic
from saran.core.settings import Settings
from saran.spark import topic_follower
from saran.spark.kafka_topics import KafkaTopics, TopicState
from saran.spark.owned_table import Progress
from saran.spark.topic_follower import TopicFollower

pytestmark = pytest.mark.usefixtures("kafka")


class Reached:
    """What a follower asks of its table: how far the commits reach."""

    def __init__(self) -> None:
        self.ends: dict[int, int] = {}

    def next_offset(self, topic: str, topic_id: str, partition: int) -> int | None:
        return self.ends.get(partition)


class Kept(TopicFollower):
    """Keeps the values of the records that it took."""

    def __init__(self, settings: Settings, topic: TopicState) -> None:
        self.reached = Reached()
        self.values: list[bytes | str | None] = []
        table: Any = self.reached
        super().__init__(settings, topic, table)

    def _take(self, messages: Sequence[Message], progress: Progress) -> None:
        self.values += [message.value() for message in messages]
        self.reached.ends.update(progress.next_offsets)


class DeafAtFirst(Consumer):
    """The first one hears nothing after its first record."""

    made = 0

    def __init__(self, *options: Any, **more: Any) -> None:
        super().__init__(*options, **more)
        DeafAtFirst.made += 1
        self._heard: int | None = 0 if DeafAtFirst.made == 1 else None

    def consume(self, *options: Any, **more: Any) -> list[Message]:
        if self._heard:
            time.sleep(0.05)
            return []
        found: list[Message] = super().consume(*options, **more)
        if self._heard is not None:
            self._heard += len(found)
        return found


@pytest.fixture
def follower(test_settings: Settings) -> Iterator[Kept]:
    topics = KafkaTopics(test_settings)
    begin = topics.ends(TopicState(Topic.USERS, "id", dict.fromkeys(range(test_settings.kafka.partitions), 0)))
    follower = Kept(test_settings, TopicState(Topic.USERS, "id", begin))
    yield follower
    follower.close()
    assert follower.failure() is None


def test_a_consumer_that_hears_nothing_is_made_anew(
    follower: Kept, test_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_follower, "Consumer", DeafAtFirst)
    monkeypatch.setattr(topic_follower, "_SILENCE_SECONDS", 3.0)
    producer = Producer({"bootstrap.servers": test_settings.bootstrap})
    sent = [b"1", b"2", b"3"]
    follower.follow()
    for number, value in enumerate(sent, start=1):
        producer.produce(Topic.USERS, value, b"u", partition=0)
        assert producer.flush(30) == 0
        limit = time.monotonic() + 30
        while len(follower.values) < number and time.monotonic() < limit:
            time.sleep(0.05)
    assert follower.values == sent
    assert DeafAtFirst.made >= 2
