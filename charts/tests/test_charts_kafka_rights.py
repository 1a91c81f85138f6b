"""The rights of each part's Kafka user, on a broker that checks them: enough for the part's own code, and no more."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import threading
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest
from charts.render import documents, helm_template
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from pydantic import SecretStr
from tests.servers import Server, free_offset

from saran.api.kafka_monitor import KafkaMonitor
from saran.api.record_producer import RecordProducer
from saran.cli import jars
from saran.cli.java import find_java
from saran.cli.platform.kafka import kafka_part, properties
from saran.core.kafka_clients import client_options
from saran.core.maintenance import order_maintenance
from saran.core.names import Group, Topic
from saran.core.settings import Kafka, Settings
from saran.core.topics import ensure_topics
from saran.producer.load import load
from saran.producer.options import LoadOptions
from saran.spark.dead_letters import DeadLetters
from saran.spark.kafka_topics import KafkaTopics
from saran.spark.maintain import send_order

pytestmark = pytest.mark.kafka

_SUPER: Final = "broker"
_JAAS: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required"
_SECONDS: Final = 30


def _users() -> dict[str, list[dict[str, Any]]]:
    """ACLs of each KafkaUser of the chart."""
    found = [each for each in documents(helm_template()) if each["kind"] == "KafkaUser"]
    return {each["metadata"]["name"]: each["spec"]["authorization"]["acls"] for each in found}


def _as(settings: Settings, user: str, *, own_topics: bool = False) -> Settings:
    kafka = Kafka(
        own_topics=own_topics,
        security_protocol="SASL_PLAINTEXT",
        username=user,
        password=SecretStr(_password(user)),
    )
    return settings.model_copy(update={"kafka": kafka})


def _password(user: str) -> str:
    return f"password-of-{user}"


def _broker(settings: Settings) -> Server:
    """A broker with the chart's users and rights, and with the platform's topics."""
    java = find_java(settings.cache)
    jars.fetch(settings.cache, [jars.KAFKA], java=java)
    folder = settings.home / "kafka"
    part = kafka_part(settings, java)

    def prepare() -> None:
        folder.mkdir(parents=True)
        (folder / "log4j2.properties").write_text("rootLogger.level=warn\n")
        plain = properties(folder, settings.port("kafka"), settings.port("kafka_controller"))
        file = folder / "server.properties"
        file.write_text(plain.replace("PLAINTEXT:", "SASL_PLAINTEXT:").replace("=PLAINTEXT", "=SASL_PLAINTEXT") + _SAFE)
        scram = [f"--add-scram=SCRAM-SHA-512=[name={user},password={_password(user)}]" for user in (_SUPER, *_users())]
        classes = jars.classpath(settings.cache, [jars.KAFKA])
        subprocess.run(
            [
                *(str(java.executable), "-cp", classes, "kafka.tools.StorageTool", "format"),
                *("--config", str(file), "--cluster-id", "cmlnaHRzLWNsdXN0ZXIxMg", *scram),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )

    def after_ready() -> None:
        owner = _as(settings, _SUPER, own_topics=True)
        ensure_topics(owner)
        _grant(AdminClient(client_options(owner)))

    return Server(dataclasses.replace(part, prepare=prepare, after_ready=after_ready), settings.home / "kafka.log")


_SAFE: Final = f"""\
listener.security.protocol.map=CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config={_JAAS} username="{_SUPER}" password="{_password(_SUPER)}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{_SUPER};User:ANONYMOUS
"""


def _grant(admin: AdminClient) -> None:
    bindings = [
        AclBinding(
            ResourceType[acl["resource"]["type"].upper()],
            acl["resource"]["name"],
            {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}[
                acl["resource"]["patternType"]
            ],
            f"User:{user}",
            "*",
            AclOperation[operation.upper()],
            AclPermissionType.ALLOW,
        )
        for user, acls in _users().items()
        for acl in acls
        for operation in acl["operations"]
    ]
    for outcome in admin.create_acls(bindings, request_timeout=_SECONDS).values():
        outcome.result(timeout=_SECONDS)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a cluster whose broker checks rights."""
    laptop = Settings(home=tmp_path_factory.mktemp("rights"), port_offset=free_offset())
    server = _broker(laptop)
    try:
        server.start()
        yield Settings(
            mode="cluster", home=laptop.home, port_offset=laptop.port_offset, kafka_bootstrap=laptop.bootstrap
        )
    finally:
        server.kill9()


@pytest.fixture(scope="module")
def loaded(installation: Settings) -> Settings:
    """The same with a few events, which the producer's user has loaded."""
    summary = load("movielens", _as(installation, "shop-kafka-producer"), LoadOptions(limit=500), lambda *_: None)
    assert summary.events == 500
    return installation


def _read(settings: Settings, group: str, topic: str, *, join: bool) -> int:
    """Read 100 records of a topic, in a group that is joined or only named. Raises KafkaException when refused."""
    options = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({**client_options(settings), **options})
    try:
        if join:
            consumer.subscribe([topic])
        else:
            partitions = consumer.list_topics(topic, timeout=_SECONDS).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        read = 0
        while read < 100 and (message := consumer.poll(_SECONDS)) is not None:
            if (error := message.error()) is not None:
                raise KafkaException(error)
            read += 1
        if join:
            consumer.commit(asynchronous=False)
        return read
    finally:
        consumer.close()


def test_the_worker_reads_in_its_group(loaded: Settings) -> None:
    assert _read(_as(loaded, "shop-kafka-worker"), Group.ONLINE, Topic.EVENTS, join=True) == 100


def test_the_streams_read_report_and_send_what_they_reject(loaded: Settings) -> None:
    streams = _as(loaded, "shop-kafka-streams")
    group = f"{Group.INGEST}-source-{uuid.uuid4()}"
    assert _read(streams, group, Topic.EVENTS, join=False) == 100
    assert _read(streams, group, Topic.CATALOG, join=False) == 100
    topics = KafkaTopics(streams)
    names = [Topic.EVENTS, Topic.CATALOG, Topic.DLQ]
    known = topics.wait_for(names, threading.Event())
    assert known is not None
    assert sum(topics.ends(known[Topic.EVENTS]).values()) == 500
    topics.report(Group.INGEST, Topic.EVENTS, {0: 7})
    rejected = {"reason": "test", "topic": Topic.EVENTS, "partition": 0, "offset": 1, "key": b"k", "value": b"v"}
    DeadLetters(streams).send([rejected])
    assert sum(topics.ends(known[Topic.DLQ]).values()) == 1


def test_the_api_sends_events_and_sees_lags(loaded: Settings) -> None:
    api = _as(loaded, "shop-kafka-api")
    KafkaTopics(_as(loaded, "shop-kafka-streams")).report(Group.INGEST, Topic.EVENTS, {0: 7})
    events = [("u", "{}")]

    async def use() -> Any:
        producer, monitor = RecordProducer(api), KafkaMonitor(api)
        producer.start()
        try:
            await producer.put(Topic.EVENTS, events)
            return await monitor.state()
        finally:
            producer.close()
            monitor.close()

    state = asyncio.run(use())
    assert state.up, state.warning
    assert state.lag[Group.INGEST][Topic.EVENTS][0] is not None
    assert set(state.lag) == {Group.INGEST, Group.ONLINE}


def test_the_job_maintain_orders_and_that_is_all(loaded: Settings) -> None:
    job = _as(loaded, "shop-kafka-maintenance")
    send_order(job, order_maintenance())
    assert _send(job, Topic.EVENTS) == "TOPIC_AUTHORIZATION_FAILED"


@pytest.mark.parametrize("user", ["shop-kafka-worker", "shop-kafka-streams"])
def test_who_only_reads_events_cannot_send_any(loaded: Settings, user: str) -> None:
    assert _send(_as(loaded, user), Topic.EVENTS) == "TOPIC_AUTHORIZATION_FAILED"


def test_the_api_sends_what_it_is_sent_and_no_dead_letters(loaded: Settings) -> None:
    assert _send(_as(loaded, "shop-kafka-api"), Topic.DLQ) == "TOPIC_AUTHORIZATION_FAILED"
    for topic in (Topic.EVENTS, Topic.CATALOG, Topic.USERS, Topic.REQUESTS):
        assert _send(_as(loaded, "shop-kafka-api"), topic) is None, topic


def _send(settings: Settings, topic: str) -> str | None:
    """Name of the error with which one record was refused, None when it was taken."""
    refused: list[str | None] = []
    producer = Producer({**client_options(settings), "message.timeout.ms": _SECONDS * 1000})
    producer.produce(topic, b"{}", b"key", on_delivery=lambda error, _: refused.append(error.name() if error else None))
    producer.flush(_SECONDS)
    (name,) = refused
    return name


@pytest.mark.parametrize(
    ("user", "group"), [("api", "saran-api"), ("worker", Group.INGEST), ("producer", "saran-simulate")]
)
def test_events_are_not_for_those_who_do_not_read_them(loaded: Settings, user: str, group: str) -> None:
    with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
        _read(_as(loaded, f"shop-kafka-{user}"), group, Topic.EVENTS, join=True)
