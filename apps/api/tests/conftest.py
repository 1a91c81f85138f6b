"""A topic, a database and a worker process of the test's own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pyarrow as pa
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from numpy.typing import NDArray
from pydantic import SecretStr
from tests.servers import Server, free_offset

from saran.api.app import create_app
from saran.core.confidence import Weights
from saran.core.model_folder import Manifest, write_model
from saran.core.model_parts import als_part
from saran.core.names import Model
from saran.core.s3 import Location
from saran.core.settings import Settings
from saran.core.versions import set_champion

PARTITIONS = 4


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Poll `condition` until it holds; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"condition did not hold within {seconds} s")
        time.sleep(0.02)


@pytest.fixture
def until() -> Callable[..., None]:
    """`wait_until`, for test modules."""
    return wait_until


@pytest.fixture
def settings(kafka: Server, test_settings: Settings, postgres_url: str, tmp_path: Path) -> Settings:
    """Settings with a fresh topic, database, home and free ports, on the shared servers."""
    topic = f"events-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": test_settings.bootstrap})
    for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1)], operation_timeout=10).values():
        future.result(timeout=15)
    return Settings(
        home=tmp_path,
        kafka_bootstrap=test_settings.bootstrap,
        events_topic=topic,
        database_url=SecretStr(postgres_url),
        port_offset=free_offset(),
    )


class PartProcess:
    """`python -m <module>` with the test's settings, that can be killed and started again."""

    def __init__(self, settings: Settings, module: str, log: Path) -> None:
        self.log = log
        self._settings = settings
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **extra: str) -> None:
        """Start it, with more variables of the environment; it need not be ready."""
        environment = {
            **os.environ,
            "SARAN_HOME": str(self._settings.home),
            "SARAN_KAFKA__BOOTSTRAP": self._settings.bootstrap,
            "SARAN_KAFKA__EVENTS_TOPIC": self._settings.events_topic,
            "SARAN_DATABASE_URL": self._settings.postgres_url,
            "SARAN_PORT_OFFSET": str(self._settings.port_offset),
            **extra,
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module], env=environment, stdout=log, stderr=log
            )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait; gives the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(timeout=30)
        self._process = None
        return code

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None


class WorkerProcess(PartProcess):
    """The online worker, with the topic that it reads and what it has made of it."""

    def __init__(self, settings: Settings, log: Path) -> None:
        super().__init__(settings, "saran.api.worker", log)
        self._producer = Producer(
            {"bootstrap.servers": settings.bootstrap, "enable.idempotence": True, "partitioner": "murmur2_random"}
        )

    def send(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Send (key, value) records to the topic and wait for their acknowledgement; the worker need not run."""
        for key, value in records:
            self._producer.produce(self._settings.events_topic, key=key, value=value)
            self._producer.poll(0)
        assert self._producer.flush(30) == 0

    def applied(self) -> int:
        """How many records of the topic the workers' transactions have covered."""
        with psycopg.connect(self._settings.postgres_url, connect_timeout=5) as connection:
            row = connection.execute(
                "SELECT coalesce(sum(next_offset), 0)::bigint FROM online.offsets WHERE topic = %s",
                (self._settings.events_topic,),
            ).fetchone()
        assert row is not None
        return int(row[0])

    def until_applied(self, count: int) -> None:
        """Wait until `count` records are covered, or more."""
        wait_until(lambda: self.applied() >= count)


@pytest.fixture
def worker(settings: Settings, tmp_path: Path) -> Iterator[WorkerProcess]:
    """The test's worker, not started."""
    process = WorkerProcess(settings, tmp_path / "worker.log")
    yield process
    if process.running:
        process.end(signal.SIGKILL)


class Api:
    """The test's API process and a client of it."""

    def __init__(self, process: PartProcess, url: str) -> None:
        self.process = process
        self.http = httpx.Client(base_url=url, timeout=20, trust_env=False)

    def start(self, **extra: str) -> None:
        """Start and wait until it answers."""
        self.process.start(**extra)
        wait_until(self._live)

    def _live(self) -> bool:
        assert self.process.running, self.process.log.read_text()
        try:
            return self.http.get("/live").status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path: str, status: int = 200) -> Any:
        """JSON of an answer, which must have the status."""
        answer = self.http.get(path)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, events: Any, status: int = 202, **headers: str) -> Any:
        """JSON of the answer to POST /stream/events, which must have the status."""
        return self.ask("/stream/events", events, status, **headers)

    def ask(self, path: str, body: Any, status: int = 200, **headers: str) -> Any:
        """JSON of the answer to a POST, which must have the status."""
        answer = self.http.post(path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def api(settings: Settings, tmp_path: Path) -> Iterator[Api]:
    """The test's API, not started."""
    process = PartProcess(settings, "saran.api", tmp_path / "api.log")
    started = Api(process, settings.api_url)
    yield started
    started.http.close()
    if process.running:
        process.end()


class Shop:
    """Models of a small catalogue: 300 items `i0` … with random factors; `i7` is the most popular.

    Item i costs i/2 and is of category `a`, the odd ones of `b` too; each third has no age rating, each fifth is away.
    """

    alpha, regularization = 10.0, 0.1
    count, rank = 300, 8

    def __init__(self, models: Location) -> None:
        self._models = models

    def factors(self, version: str) -> NDArray[np.float32]:
        """The factors of a version, by its name."""
        generator = np.random.default_rng(sum(version.encode()))
        return generator.normal(size=(self.count, self.rank)).astype(np.float32)

    def write(self, version: str) -> Location:
        """Write a version, not served."""
        manifest = Manifest(
            name=Model.RECOMMENDER,
            version=version,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            dataset="shop",
            synthetic=True,
            algorithm="als",
            parameters={"alpha": self.alpha, "regularization": self.regularization},
            weights=Weights(),
            history_length=100,
            seed=1,
            tables={},
            users=1,
            items=self.count,
            interactions=1,
        )
        items = pa.table(
            {
                "item_id": [f"i{row}" for row in range(self.count)],
                "title": [None if row == 5 else f'Thing "{row}"' for row in range(self.count)],
                "categories": [["a", "b"] if row % 2 else ["a"] for row in range(self.count)],
                "price": [row / 2 for row in range(self.count)],
                "age_rating": [None if row % 3 == 0 else "13+" for row in range(self.count)],
                "is_available": [row % 5 != 0 for row in range(self.count)],
                "attributes": pa.array([[("k", "v")]] * self.count, pa.map_(pa.string(), pa.string())),
            }
        )
        popularity = np.roll(np.arange(self.count), -7)
        interactions = pa.table({"user": [0], "item": [0], "strength": [1.0]})
        return write_model(
            self._models,
            manifest,
            parts={"als": als_part(self.factors(version), alpha=self.alpha, regularization=self.regularization)},
            popularity=popularity,
            items=items,
            interactions=interactions,
        )

    def serve(self, version: str) -> None:
        """Make a written version the champion."""
        set_champion(self._models, Model.RECOMMENDER, version)

    def publish(self, version: str) -> None:
        """Write a version and make it the champion."""
        self.write(version)
        self.serve(version)

    def expected(
        self, version: str, strengths: dict[int, float], k: int, *, allowed: Sequence[int] | None = None
    ) -> list[tuple[str, float]]:
        """The k best items (of `allowed`) for a user who has these strengths, from the equation of the paper."""
        y = self.factors(version).astype(np.float64)
        seen = list(strengths)
        c = self.alpha * np.array([strengths[item] for item in seen])
        matrix = y.T @ y + (y[seen].T * c) @ y[seen] + self.regularization * len(seen) * np.eye(self.rank)
        scores = y @ np.linalg.solve(matrix, y[seen].T @ (1 + c))
        scores[seen] = -np.inf
        order = [item for item in np.argsort(-scores)[: -len(seen)] if allowed is None or item in allowed]
        return [(f"i{item}", float(scores[item])) for item in order[:k]]


@pytest.fixture
def shop(settings: Settings) -> Shop:
    """The models that the test's API serves."""
    return Shop(settings.models_path)


Offline = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Offline:
    """Asks an application whose parts were never started: for what is refused before they are needed.

    Given method, path and body it gives the status and the JSON of the answer.
    """
    app = create_app(Settings(home=tmp_path_factory.mktemp("offline")))
    app.state.saran = None
    transport = httpx.ASGITransport(app)

    async def ask(method: str, path: str, body: Any) -> tuple[int, Any]:
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            answer = await client.request(method, path, json=body)
            return answer.status_code, answer.json()

    return lambda method, path, body=None: asyncio.run(ask(method, path, body))
