"""Kafka's clients trust each authority that is mounted, and no broker that none of them signed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from saran.core.kafka_clients import client_options
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


def test_old_and_new_authority_are_trusted_at_once(broker: Settings) -> None:
    """`secured` mounts two; the broker's is the second in the order of names."""
    found = AdminClient(client_options(broker)).list_topics(timeout=30)
    assert Topic.EVENTS in found.topics
    assert broker.kafka.ca_file is not None
    (broker.kafka.ca_file / "ca.crt").unlink()
    quiet = {**client_options(broker), "log_level": 0}
    with pytest.raises(KafkaException, match=r"_TRANSPORT|_ALL_BROKERS_DOWN|Local"):
        AdminClient(quiet).list_topics(timeout=3)
