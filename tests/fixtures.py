"""Fixtures that every part's tests share: a real broker, a real database server, a real Spark session."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from saran.cli import jars
from saran.cli.java import find_java
from saran.core.database import migrate
from saran.core.names import Table
from saran.core.s3 import S3
from saran.core.settings import CHECKOUT, Settings, load_settings
from tests.object_store import credentials, make_buckets, store_endpoint
from tests.platform import PATIENCE, Platform, wait
from tests.servers import Server, free_offset, kafka_server, postgres_server

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


BUNDLED_EVENTS = 100_836


@pytest.fixture(scope="session")
def test_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the tests' own platform: a temporary home and ports that are free; the shared cache of jars."""
    return Settings(home=tmp_path_factory.mktemp("home"), port_offset=free_offset())


@pytest.fixture(scope="session")
def kafka(test_settings: Settings) -> Iterator[Server]:
    """The tests' broker with the platform's topics, at `test_settings.bootstrap`."""
    server = kafka_server(test_settings)
    server.start()
    yield server
    server.kill9()  # its data is thrown away, so a slow polite end would only cost time


@pytest.fixture(scope="session")
def postgres_server_url(test_settings: Settings) -> Iterator[str]:
    """URL of the tests' database server; ask for `postgres_url` unless the server itself is meant."""
    server = postgres_server(test_settings)
    server.start()
    yield test_settings.postgres_url
    server.stop()


@pytest.fixture
def postgres_url(postgres_server_url: str) -> str:
    """A database of the test's own, with the platform's tables, empty."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server_url, autocommit=True, connect_timeout=5) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = postgres_server_url.rsplit("/", 1)[0] + "/" + name
    migrate(url)
    return url


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the tests' S3 store; ask for `s3` unless the server itself is meant."""
    with store_endpoint(tmp_path_factory.mktemp("s3")) as endpoint:
        yield endpoint


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> S3:
    """A store with the platform's buckets, empty and the test's own; the environment holds its credentials."""
    for name, value in credentials().items():
        monkeypatch.setenv(name, value)
    return make_buckets(s3_endpoint)


@pytest.fixture(scope="session")
def spark_jars() -> Path:
    """Folder of Spark's connector jars, fetched when they are not cached; sets JAVA_HOME for Spark."""
    settings = load_settings()
    java = find_java(settings.cache)
    jars.fetch(settings.cache, [jars.SPARK], java=java)
    os.environ["JAVA_HOME"] = str(java.home)
    return jars.folder(settings.cache, jars.SPARK)


@pytest.fixture(scope="session")
def spark(spark_jars: Path, test_settings: Settings) -> Iterator[SparkSession]:
    """One Spark session with Delta for all tests, built as the streams build theirs."""
    from saran.spark.session import build_session

    session = build_session(test_settings, "tests")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def movielens_dir() -> Path:
    """The bundled MovieLens files."""
    return CHECKOUT / "datasets" / "movielens-latest-small"


@pytest.fixture(scope="module")
def live_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform with the bundled data loaded and a model served; its dashboard is left to the test."""
    platform = Platform(Settings(home=tmp_path_factory.mktemp("live"), port_offset=free_offset()))
    try:
        platform.saran("up", "--detach", "--only", "kafka,postgres,streams,api,worker")
        loading = platform.load()
        _, complaint = loading.communicate(timeout=PATIENCE)
        assert loading.returncode == 0, complaint
        wait("the bundled events in silver", lambda: platform.count(Table.SILVER_EVENTS) == BUNDLED_EVENTS)
        platform.saran("train", "recommender", "--set", "iterations=3", "--no-evaluate", "--no-register")
        wait("the model to be served", lambda: all(platform.serves(user) for user in ("1", "414", "610")))
        yield platform
    finally:
        platform.saran("down")
