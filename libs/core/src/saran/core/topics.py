"""Creates the platform's Kafka topics where no operator does."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ListOffsetsResultInfo,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from saran.core.errors import SaranError
from saran.core.kafka_clients import client_options
from saran.core.names import Topic
from saran.core.settings import Settings

_MAX_REPLICAS: Final = 3
_ALREADY_EXISTS: Final = "TOPIC_ALREADY_EXISTS"
NO_LEADER_YET: Final = (
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
)
"""Codes of errors that pass when a topic or a broker is new."""

_POLL_SECONDS: Final = 0.05
_GRACE_SECONDS: Final = 2.0
"""The client's own time-out comes first: it says why."""
_log = logging.getLogger(__name__)


def topic_configs(settings: Settings) -> dict[str, dict[str, str]]:
    """Configuration of each topic, by name."""
    retention = {"cleanup.policy": "delete", "retention.ms": str(settings.kafka.retention_hours * 3_600_000)}
    compacted = {"cleanup.policy": "compact"}
    return {
        settings.events_topic: retention,
        Topic.DLQ: retention,
        Topic.CATALOG: compacted,
        Topic.USERS: compacted,
        # Orders such as an erasure must be found however late their owner looks.
        Topic.REQUESTS: {"cleanup.policy": "delete", "retention.ms": "-1"},
    }


def ensure_topics(settings: Settings, *, timeout_seconds: float = 30) -> list[str]:
    """Create the topics that are missing and set the configuration of the others; the names created.

    Safe to call again, and from several processes at once. A topic keeps the partition count of its birth.
    Where an operator keeps the topics (`kafka.own_topics` is off) nothing is done, and no right to it is needed.
    Raises SaranError when Kafka does not answer or refuses.
    """
    if not settings.kafka.own_topics:
        return []
    admin = AdminClient({**client_options(settings), "socket.timeout.ms": int(timeout_seconds * 1000)}, logger=_log)
    try:
        metadata = admin.list_topics(timeout=timeout_seconds)
        replicas = min(_MAX_REPLICAS, max(1, len(metadata.brokers)))
        wanted = topic_configs(settings)
        missing = [name for name in wanted if name not in metadata.topics]
        created = _create(admin, wanted, missing, settings.kafka.partitions, replicas, timeout_seconds)
        _configure(admin, {name: wanted[name] for name in wanted if name not in missing}, timeout_seconds)
        _await_leaders(admin, created, settings.kafka.partitions, timeout_seconds)
    except (KafkaException, TimeoutError) as error:
        why = error.args[0] if error.args else "no answer in time"
        raise SaranError(
            f"Kafka at {settings.bootstrap} does not answer or refuses: {why}",
            fix="start it with `saran up`, or set SARAN_KAFKA__BOOTSTRAP",
        ) from error
    for name in wanted:
        known = metadata.topics.get(name)
        if known is not None and len(known.partitions) != settings.kafka.partitions:
            _log.info("%s keeps the %d partitions it was made with", name, len(known.partitions))
    return created


def _create(
    admin: AdminClient,
    configs: dict[str, dict[str, str]],
    names: list[str],
    partitions: int,
    replicas: int,
    timeout_seconds: float,
) -> list[str]:
    if not names:
        return []
    topics = [NewTopic(name, partitions, replicas, config=configs[name]) for name in names]
    created = []
    for name, outcome in admin.create_topics(topics, operation_timeout=timeout_seconds).items():
        try:
            outcome.result(timeout=timeout_seconds + _GRACE_SECONDS)
            created.append(name)
        except KafkaException as error:
            if error.args[0].name() != _ALREADY_EXISTS:
                raise
    return created


def _await_leaders(admin: AdminClient, topics: list[str], partitions: int, timeout_seconds: float) -> None:
    """Wait until new topics can be written and read: their leaders are chosen after they are created."""
    waiting = [TopicPartition(topic, partition) for topic in topics for partition in range(partitions)]
    deadline = time.monotonic() + timeout_seconds
    while waiting:
        newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = admin.list_offsets(dict.fromkeys(waiting, newest), request_timeout=timeout_seconds)
        waiting = [one for one, outcome in asked.items() if not _has_leader(outcome, timeout_seconds)]
        if waiting:
            if time.monotonic() > deadline:
                raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
            time.sleep(_POLL_SECONDS)


def _has_leader(outcome: Future[ListOffsetsResultInfo], timeout_seconds: float) -> bool:
    try:
        outcome.result(timeout=timeout_seconds + _GRACE_SECONDS)
    except KafkaException as error:
        if error.args[0].code() in NO_LEADER_YET:
            return False
        raise
    return True


def _configure(admin: AdminClient, configs: dict[str, dict[str, str]], timeout_seconds: float) -> None:
    if not configs:
        return
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            name,
            incremental_configs=[
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in config.items()
            ],
        )
        for name, config in configs.items()
    ]
    for outcome in admin.incremental_alter_configs(resources, request_timeout=timeout_seconds).values():
        outcome.result(timeout=timeout_seconds + _GRACE_SECONDS)
