"""What several of the producer's tests need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from saran.core.settings import Settings

RETAILROCKET = ("timestamp", "visitorid", "event", "itemid", "transactionid")


def own_settings(shared: Settings, home: Path) -> Settings:
    """Settings with the tests' broker, an events topic that no other test has, and a home of its own."""
    return shared.model_copy(update={"home": home, "events_topic": f"events-{uuid.uuid4().hex[:8]}"})


def environment(settings: Settings) -> dict[str, str]:
    """What a child process needs to have these settings."""
    return {
        **os.environ,
        "SARAN_HOME": str(settings.home),
        "SARAN_KAFKA__BOOTSTRAP": settings.bootstrap,
        "SARAN_KAFKA__EVENTS_TOPIC": settings.events_topic,
    }


@contextmanager
def running(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The producer's command line as a process, which does not outlive the context."""
    with subprocess.Popen(
        [sys.executable, "-m", "saran.producer", *arguments],
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run_json(settings: Settings, *arguments: str) -> dict[str, Any]:
    """Run the producer's command line with --json; it must succeed."""
    with running(settings, *arguments, "--json") as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    answer: dict[str, Any] = json.loads(out)
    return answer


@dataclass(frozen=True)
class Record:
    """One Kafka record."""

    partition: int
    offset: int
    key: str
    value: dict[str, Any]


def end_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """Next offset of each partition."""
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "test-ends"})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in sorted(partitions)}
    finally:
        consumer.close()


def arrived(settings: Settings) -> int:
    """Records in the events topic; 0 while it is being made or its broker comes up."""
    try:
        return sum(end_offsets(settings, settings.events_topic).values())
    except KafkaException:
        return 0


def wait_for(settings: Settings, records: int, process: subprocess.Popen[str]) -> None:
    """Return when the events topic has so many records; the process that sends them must live on until then."""
    while arrived(settings) < records:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def read_topic(settings: Settings, topic: str, begin: dict[int, int] | None = None) -> list[Record]:
    """Every record of a topic up to its end now, from `begin` on; a tombstone's value is empty."""
    ends = end_offsets(settings, topic)
    begin = begin or dict.fromkeys(ends, 0)
    left = sum(end - begin[partition] for partition, end in ends.items())
    consumer = Consumer(
        {"bootstrap.servers": settings.bootstrap, "group.id": "test-reader", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in begin.items()])
    records: list[Record] = []
    try:
        while len(records) < left:
            messages = consumer.consume(50_000, timeout=10)
            assert messages, f"{topic} gave {len(records)} of {left} records"
            for message in messages:
                assert message.error() is None
                key, value = message.key(), message.value()
                assert isinstance(key, bytes)
                place = (int(message.partition() or 0), int(message.offset() or 0))
                records.append(Record(*place, key.decode(), json.loads(value or b"{}")))
    finally:
        consumer.close()
    return records


def write_events(folder: Path, rows: Sequence[Sequence[object]]) -> Path:
    """A Retail Rocket folder with these rows of events.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [",".join(RETAILROCKET), *(",".join(str(value) for value in row) for row in rows)]
    (folder / "events.csv").write_text("\n".join(lines) + "\n")
    return folder


def quiet(*_: object) -> None:
    """Progress that nobody watches."""
