"""What `ingest` asks of Kafka besides records: which topics there are, where they begin and end, how far it read."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from saran.core.errors import SaranError
from saran.core.kafka_clients import client_options
from saran.core.settings import Settings

_RETRY_SECONDS: Final = 0.5
_SAY_SECONDS: Final = 10.0
_EARLIEST: Final[OffsetSpec] = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: Final[OffsetSpec] = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TopicState:
    """A topic: `topic_id` changes when a topic of the name is made anew, which begins at offset 0 again."""

    name: str
    topic_id: str
    earliest: Mapping[int, int]
    """First offset that Kafka still has, by partition."""


class KafkaTopics:
    """A client for one broker or cluster; every call waits at most `settings.kafka.timeout_ms`."""

    def __init__(self, settings: Settings) -> None:
        self._bootstrap = settings.bootstrap
        self._timeout = settings.kafka.timeout_ms / 1000
        self._options = {**client_options(settings), "socket.timeout.ms": settings.kafka.timeout_ms}
        self._admin = AdminClient(self._options, logger=_log)

    def renew(self) -> None:
        """Forget what is known of the brokers, after an error.

        librdkafka 2.16 may keep an old epoch of the partitions of a broker that was killed, and be refused for ever.
        """
        self._admin = AdminClient(self._options, logger=_log)

    def wait_for(self, names: list[str], stop: threading.Event) -> dict[str, TopicState] | None:
        """The topics, once Kafka has them all, or None when `stop` is set before. Says what it waits for."""
        said = -_SAY_SECONDS
        while not stop.is_set():
            try:
                return {name: self._state(name) for name in names}
            except (KafkaException, TimeoutError) as error:
                if time.monotonic() - said >= _SAY_SECONDS:
                    said = time.monotonic()
                    _log.warning(
                        "waiting for the topics %s at %s (%s): start Kafka with `saran up`, or set"
                        " SARAN_KAFKA__BOOTSTRAP",
                        ", ".join(names),
                        self._bootstrap,
                        error.args[0] if error.args else "no answer in time",
                    )
            stop.wait(_RETRY_SECONDS)
        return None

    def ends(self, topic: TopicState) -> dict[int, int]:
        """Offset behind the newest record of each partition. Raises KafkaException when Kafka does not answer."""
        return self._offsets(topic.name, list(topic.earliest), _LATEST)

    def first_since(self, topic: TopicState, moment: float) -> dict[int, int]:
        """Offset of the first record that is not older than `moment` (seconds since 1970), by partition.

        Partitions that have none are left out. Raises KafkaException when Kafka does not answer.
        """
        spec = OffsetSpec.for_timestamp(int(moment * 1000))
        found = self._offsets(topic.name, list(topic.earliest), spec)
        return {partition: offset for partition, offset in found.items() if offset >= 0}

    def report(self, group: str, topic: str, next_offsets: Mapping[int, int]) -> None:
        """Show `next_offsets` as the offsets of a consumer group. Raises KafkaException when Kafka refuses."""
        places = [TopicPartition(topic, partition, offset) for partition, offset in sorted(next_offsets.items())]
        request = [ConsumerGroupTopicPartitions(group, places)]
        for outcome in self._admin.alter_consumer_group_offsets(request, request_timeout=self._timeout).values():
            outcome.result(timeout=self._timeout)

    def _state(self, name: str) -> TopicState:
        described = self._admin.describe_topics(TopicCollection([name]), request_timeout=self._timeout)
        found = described[name].result(timeout=self._timeout)
        partitions = [partition.id for partition in found.partitions]
        return TopicState(name, str(found.topic_id), self._offsets(name, partitions, _EARLIEST))

    def _offsets(self, name: str, partitions: list[int], spec: OffsetSpec) -> dict[int, int]:
        request = {TopicPartition(name, partition): spec for partition in partitions}
        answers = self._admin.list_offsets(request, request_timeout=self._timeout)
        return {place.partition: answer.result(timeout=self._timeout).offset for place, answer in answers.items()}


def first_offsets(topic: TopicState, next_offsets: Mapping[int, int]) -> dict[int, int]:
    """Where to begin each partition: where the tables end, or at the first record that Kafka still has.

    Records that expired before they were read are lost to the tables; that is said as an error in the log.
    """
    begin = {}
    for partition, earliest in topic.earliest.items():
        reached = next_offsets.get(partition)
        begin[partition] = earliest if reached is None else max(reached, earliest)
        if reached is not None and reached < earliest:
            _log.error(
                "%s partition %d: %d records expired in Kafka before they were read (offsets %d to %d): "
                "raise SARAN_KAFKA__RETENTION_HOURS, or keep the streams running",
                topic.name,
                partition,
                earliest - reached,
                reached,
                earliest - 1,
            )
    return begin


def check_ends(topic: TopicState, begin: Mapping[int, int], ends: Mapping[int, int]) -> None:
    """Raises SaranError when the tables hold records that Kafka does not: its disk was put back to an older state."""
    ahead = [partition for partition, offset in begin.items() if offset > ends.get(partition, offset)]
    if ahead:
        raise SaranError(
            f"the tables are ahead of Kafka's topic {topic.name} in partitions {ahead}: the broker lost records",
            fix="restore the broker's disk, or delete and create the topic anew (events in the tables are kept)",
        )
