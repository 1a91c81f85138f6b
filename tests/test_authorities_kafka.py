"""Kafka's clients trust each authority that is mounted, and no broker that none of them signed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from saran.cli import jars
from saran.cli.java import find_java
from saran.core.kafka_clients import client_options, spark_options
from saran.core.names import Topic
from saran.core.settings import Settings
from tests.secured_kafka import secured, secured_kafka_server
from tests.servers import free_offset

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Settings]:
    settings = secured(Settings(home=tmp_path, port_offset=free_offset()))
    server = secured_kafka_server(settings)
    server.start()
    yield settings
    server.kill9()


def told_to_java(broker: Settings) -> str:
    """What the broker tells of a topic when it is asked, with the options of Spark's source, by a client in Java."""
    options = {name.removeprefix("kafka."): value for name, value in spark_options(broker).items()}
    file = broker.home / "client.properties"
    escaped = {name: value.replace("\\", "\\\\").replace("\n", "\\n") for name, value in options.items()}
    file.write_text("".join(f"{name}={value}\n" for name, value in escaped.items()))
    classes = jars.classpath(broker.cache, [jars.KAFKA])
    java = find_java(broker.cache).executable
    command = (java, "-cp", classes, "kafka.admin.ConfigCommand", "--describe", "--topic", Topic.EVENTS)
    where = ("--bootstrap-server", broker.bootstrap, "--command-config", file)
    done = subprocess.run([*command, *where], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_old_and_new_authority_are_trusted_at_once(broker: Settings) -> None:
    """`secured` mounts two; the broker's is the second in the order of names."""
    found = AdminClient(client_options(broker)).list_topics(timeout=30)
    assert Topic.EVENTS in found.topics
    assert "retention.ms=604800000" in told_to_java(broker)
    assert broker.kafka.ca_file is not None
    (broker.kafka.ca_file / "ca.crt").unlink()
    quiet = {**client_options(broker), "log_level": 0}
    with pytest.raises(KafkaException, match=r"_TRANSPORT|_ALL_BROKERS_DOWN|Local"):
        AdminClient(quiet).list_topics(timeout=3)
