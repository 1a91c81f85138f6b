"""The stream driver and the trainer as on a cluster: an S3 store, and a broker that asks who is there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from apps.spark.tests.ingest_records import event_json
from apps.spark.tests.test_ingest_streams import PATIENCE, Driver, counted, until
from confluent_kafka import KafkaException, Producer
from deltalake import DeltaTable
from tests.object_store import credentials
from tests.secured_kafka import client_environment, secured, secured_kafka_server
from tests.servers import free_offset

from saran.cli import jars
from saran.core.errors import SaranError
from saran.core.kafka_clients import client_options
from saran.core.model_folder import champion, load_model, version_folder
from saran.core.names import Model, Table, Topic
from saran.core.s3 import S3, delta_options
from saran.core.settings import Settings
from saran.core.topics import ensure_topics

pytestmark = [
    pytest.mark.spark,
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.s3,
    pytest.mark.timeout(900),
]


@pytest.fixture
def cluster(s3: S3, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a shop whose broker and store are there."""
    settings = secured(Settings(home=tmp_path, port_offset=free_offset(), storage="s3://", s3=s3))
    server = secured_kafka_server(settings)
    server.start()
    yield settings
    server.kill9()


@pytest.fixture
def driver(cluster: Settings, postgres_url: str, spark_jars: Path) -> Iterator[Driver]:
    jars.fetch(cluster.cache, [jars.S3])
    started = Driver(cluster, postgres_url, spark_jars)
    del started.environment["SARAN_SPARK_JARS"]
    started.environment |= {
        **client_environment(cluster),
        **credentials(),
        "SARAN_STORAGE": "s3://",
        "SARAN_S3__ENDPOINT": cluster.s3.endpoint,
        "SARAN_S3__BUCKET_PREFIX": cluster.s3.bucket_prefix,
    }
    yield started
    if started.process is not None:
        started.end(signal.SIGKILL)


def ids(settings: Settings) -> list[str]:
    folder = settings.table_folder(Table.SILVER_EVENTS)
    table = DeltaTable(str(folder), storage_options=delta_options(folder)).to_pyarrow_table(columns=["event_id"])
    return sorted(table.column("event_id").to_pylist())


def produce(settings: Settings, numbers: range) -> None:
    producer = Producer({**client_options(settings), "enable.idempotence": True})
    for number in numbers:
        producer.produce(Topic.EVENTS, value=event_json(number), key=str(number % 10))
    assert producer.flush(30) == 0


def test_events_reach_the_store_once_and_a_model_is_trained_there(driver: Driver, postgres_url: str) -> None:
    settings, log = driver.settings, driver.log
    produce(settings, range(400))
    driver.start()
    until("events", lambda: counted(postgres_url, Table.SILVER_EVENTS) == 400, log)
    driver.end(signal.SIGKILL)
    produce(settings, range(300, 600))
    driver.start()
    until("events after SIGKILL", lambda: counted(postgres_url, Table.SILVER_EVENTS) == 600, log)
    assert driver.end(signal.SIGTERM) == 0
    assert ids(settings) == [f"{number:032x}" for number in range(600)]

    done = subprocess.run(
        [
            *(sys.executable, "apps/spark/jobs/train_recommender.py", "--no-evaluate", "--json"),
            *("--set", "rank=3", "--set", "iterations=4"),
        ],
        env=driver.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    version = json.loads(done.stdout)["version"]
    assert champion(settings.models_path, Model.RECOMMENDER) == version
    model = load_model(version_folder(settings.models_path, Model.RECOMMENDER, version))
    assert (model.manifest.users, model.manifest.items, model.factors.shape) == (10, 7, (7, 3))


def test_a_wrong_password_is_refused(cluster: Settings) -> None:
    wrong = cluster.model_copy(update={"kafka": cluster.kafka.model_copy(update={"username": "somebody"})})
    with pytest.raises((SaranError, KafkaException)):
        ensure_topics(wrong, timeout_seconds=5)
