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
from saran.core.model_folder import load_model
from saran.core.names import Model, Table, Topic
from saran.core.s3 import S3, delta_options
from saran.core.settings import CHECKOUT, Settings
from saran.core.topics import ensure_topics
from saran.core.versions import champion, version_folder

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


class Drivers:
    """Drivers of one shop's streams, each with a disk of its own as pods have."""

    def __init__(self, cluster: Settings, database: str, jars: Path) -> None:
        self._cluster = cluster
        self._database = database
        self._jars = jars
        self.all: list[Driver] = []

    def add(self) -> Driver:
        """A driver in a new home, not started."""
        home = self._cluster.home / f"pod-{len(self.all)}"
        home.mkdir()
        settings = self._cluster.model_copy(update={"home": home, "port_offset": free_offset()})
        driver = Driver(settings, self._database, self._jars)
        del driver.environment["SARAN_SPARK_JARS"]
        driver.environment |= {
            **client_environment(self._cluster),
            **credentials(),
            "SARAN_STORAGE": "s3://",
            "SARAN_S3__ENDPOINT": self._cluster.s3.endpoint,
            "SARAN_S3__BUCKET_PREFIX": self._cluster.s3.bucket_prefix,
        }
        self.all.append(driver)
        return driver


@pytest.fixture
def drivers(cluster: Settings, postgres_url: str, spark_jars: Path) -> Iterator[Drivers]:
    jars.fetch(cluster.cache, [jars.S3])
    made = Drivers(cluster, postgres_url, spark_jars)
    yield made
    for driver in made.all:
        if driver.process is not None:
            driver.end(signal.SIGKILL)


def column(settings: Settings, table: str, *names: str) -> list[tuple[object, ...]]:
    """Some columns of a table, sorted."""
    folder = settings.table_folder(table)
    rows = DeltaTable(str(folder), storage_options=delta_options(folder)).to_pyarrow_table(columns=list(names))
    return sorted(zip(*(rows.column(name).to_pylist() for name in names), strict=True))


def ids(count: int) -> list[tuple[str]]:
    """What silver holds after events 0 to `count` - 1."""
    return [(f"{number:032x}",) for number in range(count)]


def produce(settings: Settings, numbers: range) -> None:
    producer = Producer({**client_options(settings), "enable.idempotence": True})
    for number in numbers:
        producer.produce(Topic.EVENTS, value=event_json(number), key=str(number % 10))
    assert producer.flush(30) == 0


def test_events_reach_the_store_once_and_a_model_is_trained_there(
    cluster: Settings, drivers: Drivers, postgres_url: str
) -> None:
    driver = drivers.add()
    produce(cluster, range(400))
    driver.start()
    until("events", lambda: counted(postgres_url, Table.SILVER_EVENTS) == 400, driver.log)
    driver.end(signal.SIGKILL)
    produce(cluster, range(300, 600))
    driver.start()
    until("events after SIGKILL", lambda: counted(postgres_url, Table.SILVER_EVENTS) == 600, driver.log)
    assert driver.end(signal.SIGTERM) == 0
    assert column(cluster, Table.SILVER_EVENTS, "event_id") == ids(600)

    done = subprocess.run(
        [
            *(sys.executable, str(CHECKOUT / "apps/spark/jobs/train.py"), "recommender", "--no-evaluate", "--json"),
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
    assert champion(cluster.models_path, Model.RECOMMENDER) == version
    model = load_model(version_folder(cluster.models_path, Model.RECOMMENDER, version))
    factors = model.parts["als"].arrays["factors"]
    assert (model.manifest.users, model.manifest.items, factors.shape) == (10, 7, (7, 3))


def test_a_driver_that_was_given_up_for_dead_adds_nothing(
    cluster: Settings, drivers: Drivers, postgres_url: str
) -> None:
    """It is stopped, has a successor, wakes up with a micro-batch in its hands, and ends."""
    zombie = drivers.add()
    produce(cluster, range(200))
    process = zombie.start()
    until("events", lambda: counted(postgres_url, Table.SILVER_EVENTS) == 200, zombie.log)
    process.send_signal(signal.SIGSTOP)
    produce(cluster, range(200, 400))
    successor = drivers.add()
    successor.start()
    until("events by the successor", lambda: counted(postgres_url, Table.SILVER_EVENTS) == 400, successor.log)
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=PATIENCE) == 1
    zombie.process = None
    assert "Concurrent transaction failed" in zombie.log.read_text()
    produce(cluster, range(400, 500))
    until("later events", lambda: counted(postgres_url, Table.SILVER_EVENTS) == 500, successor.log)
    assert column(cluster, Table.SILVER_EVENTS, "event_id") == ids(500)
    places = column(cluster, Table.BRONZE_EVENTS, "partition", "offset")
    assert len(places) == len(set(places)) == 500


def test_a_wrong_password_is_refused(cluster: Settings) -> None:
    wrong = cluster.model_copy(update={"kafka": cluster.kafka.model_copy(update={"username": "somebody"})})
    with pytest.raises((SaranError, KafkaException)):
        ensure_topics(wrong, timeout_seconds=5)
