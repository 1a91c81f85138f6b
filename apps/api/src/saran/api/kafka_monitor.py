"""How far the consumer groups are behind, asked of Kafka at most every two seconds."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from saran.core.kafka_clients import client_options
from saran.core.names import Group, Topic
from saran.core.settings import Settings

_log = logging.getLogger("saran.api.kafka")

_FRESH_SECONDS: Final = 2.0
_TIMEOUT_SECONDS: Final = 2.0

Lag = dict[str, dict[str, dict[int, int | None]]]


@dataclass(frozen=True)
class KafkaState:
    """What was seen of Kafka.

    `lag` is group → topic → partition → records, None where a group has no offset; `topics` is topic → partition →
    records that were ever written.
    """

    up: bool
    warning: str | None = None
    lag: Lag = field(default_factory=dict)
    topics: dict[str, dict[int, int]] = field(default_factory=dict)


class KafkaMonitor:
    """Asks in a thread; whoever asks meanwhile gets the same answer."""

    def __init__(self, settings: Settings) -> None:
        self._bootstrap = settings.bootstrap
        self._groups = {
            Group.INGEST: (settings.events_topic, Topic.CATALOG),
            Group.ONLINE: (settings.events_topic,),
        }
        self._topics = (settings.events_topic, Topic.CATALOG, Topic.USERS, Topic.REQUESTS, Topic.DLQ)
        self._admin = AdminClient(
            {**client_options(settings), "client.id": "saran-api", "reconnect.backoff.max.ms": 1000},
            logger=_log,
        )
        # Not AdminClient.list_consumer_group_offsets: when a coordinator has just moved, as on a new cluster, it ends
        # the process (confluentinc/confluent-kafka-javascript#374). These consumers never join their groups.
        self._readers = {
            group: Consumer({**client_options(settings), "group.id": group, "enable.auto.commit": False}, logger=_log)
            for group in self._groups
        }
        self._one = asyncio.Lock()
        self._asked = -_FRESH_SECONDS
        self._state = KafkaState(up=False)

    async def state(self) -> KafkaState:
        """The state, at most two seconds old."""
        async with self._one:
            if time.monotonic() - self._asked >= _FRESH_SECONDS:
                self._state = await asyncio.to_thread(self._ask)
                self._asked = time.monotonic()
            return self._state

    def _ask(self) -> KafkaState:
        try:
            known = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
            partitions = {
                topic: [TopicPartition(topic, number) for number in known[topic].partitions]
                for topic in self._topics
                if topic in known and known[topic].error is None
            }
            ends = self._ends([one for many in partitions.values() for one in many])
            return KafkaState(
                up=True,
                lag={
                    group: {topic: self._lag(group, partitions[topic], ends) for topic in topics if topic in partitions}
                    for group, topics in self._groups.items()
                },
                topics={
                    topic: {one.partition: ends[topic, one.partition] for one in many}
                    for topic, many in partitions.items()
                },
            )
        except (KafkaException, TimeoutError) as error:
            return KafkaState(up=False, warning=f"Kafka at {self._bootstrap} does not answer ({_reason(error)})")

    def _ends(self, partitions: list[TopicPartition]) -> dict[tuple[str, int], int]:
        if not partitions:
            return {}
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = self._admin.list_offsets(dict.fromkeys(partitions, latest), request_timeout=_TIMEOUT_SECONDS)
        return {(one.topic, one.partition): future.result(_TIMEOUT_SECONDS).offset for one, future in asked.items()}

    def _lag(
        self, group: str, partitions: list[TopicPartition], ends: dict[tuple[str, int], int]
    ) -> dict[int, int | None]:
        try:
            found = self._readers[group].committed(partitions, timeout=_TIMEOUT_SECONDS)
        except KafkaException as error:
            _log.info("offsets of %s are unknown: %s", group, _reason(error))
            return {one.partition: None for one in partitions}
        return {
            one.partition: ends[one.topic, one.partition] - one.offset if one.offset >= 0 else None for one in found
        }

    def close(self) -> None:
        """End the connections."""
        for reader in self._readers.values():
            reader.close()


def _reason(error: Exception) -> str:
    given = error.args[0] if error.args else None
    return given.str() if isinstance(given, KafkaError) else str(error) or type(error).__name__
