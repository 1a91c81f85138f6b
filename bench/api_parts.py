"""What `bench.api` measures: a synthetic champion, histories, and a server that is pinned to one core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import psutil
import psycopg
import pyarrow as pa

from saran.core.confidence import IntArray, Weights
from saran.core.database import migrate
from saran.core.model_folder import Manifest, write_model
from saran.core.model_parts import als_part
from saran.core.names import Model
from saran.core.settings import Settings
from saran.core.versions import set_champion

USERS: Final = 100_000
EVENTS: Final = 20
"""Of each user."""

FIRST_MS: Final = 1_600_000_000_000
"""When a user's first event happened; the next one is a millisecond later."""

SERVER_CORE: Final = 0
OTHER_CORE: Final = 1
"""Of the load and of PostgreSQL, which all servers use alike."""

_START_SECONDS: Final = 120
_ANSWER_SECONDS: Final = 60


def write_synthetic_model(settings: Settings, *, items: int, factors: int, version: str = "bench") -> None:
    """A champion of random factors."""
    generator = np.random.default_rng(1)
    manifest = Manifest(
        name=Model.RECOMMENDER,
        version=version,
        created_at=datetime.now(UTC),
        dataset="bench",
        synthetic=True,
        algorithm="als",
        parameters={"alpha": 10.0, "regularization": 0.1},
        weights=Weights(),
        history_length=settings.serving.history_length,
        seed=1,
        tables={},
        users=USERS,
        items=items,
        interactions=USERS * EVENTS,
    )
    table = pa.table(
        {
            "item_id": [str(item) for item in range(items)],
            "title": [f"Synthetic item number {item}" for item in range(items)],
            "categories": [["Drama", "Comedy"]] * items,
        }
    )
    write_model(
        settings.models_path,
        manifest,
        parts={
            "als": als_part(
                (generator.normal(size=(items, factors)) * 0.1).astype(np.float32), alpha=10.0, regularization=0.1
            )
        },
        popularity=generator.permutation(items),
        items=table,
        interactions=pa.table({"user": [0], "item": [0], "strength": [1.0]}),
    )
    set_champion(settings.models_path, Model.RECOMMENDER, version)


class SyntheticHistory(NamedTuple):
    """A user's events, oldest first."""

    user_id: str
    items: IntArray
    actions: IntArray
    hashes: IntArray


def histories(*, items: int, users: int = USERS) -> Iterator[SyntheticHistory]:
    """What the users did, drawn at random; the same each time."""
    generator = np.random.default_rng(2)
    for user in range(users):
        yield SyntheticHistory(
            f"user-{user}",
            generator.integers(items, size=EVENTS),
            generator.integers(4, size=EVENTS),
            generator.integers(2**62, size=EVENTS),
        )


def fill_histories(url: str, *, items: int, users: int = USERS) -> None:
    """Users with 20 events each."""
    migrate(url)
    with psycopg.connect(url, connect_timeout=10) as connection:
        connection.execute("SET timezone = UTC")
        with connection.cursor() as cursor, cursor.copy("COPY online.user_history FROM STDIN") as copy:
            missing = "{" + ",".join(["NaN"] * EVENTS) + "}"
            times = "{" + ",".join(str(FIRST_MS + place) for place in range(EVENTS)) + "}"
            for one in histories(items=items, users=users):
                seen, actions, hashes = (",".join(map(str, column)) for column in one[1:])
                copy.write(f"{one.user_id}\t{{{seen}}}\t{{{actions}}}\t{missing}\t{times}\t{{{hashes}}}\n")
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute("VACUUM ANALYZE online.user_history")


class Server:
    """A server process on its one core, as `command` with more `variables` starts it; `port` answers HTTP."""

    def __init__(self, command: Sequence[str], port: int, ready: str, log: Path, **variables: str) -> None:
        self.port = port
        self._log = log.open("ab")
        pinned = ["taskset", "--cpu-list", str(SERVER_CORE), *command]
        self._process = subprocess.Popen(
            pinned, env={**os.environ, **variables}, stdout=self._log, stderr=self._log, cwd=log.parent
        )
        self._cpu = psutil.Process(self._process.pid)
        try:
            self.get(ready, retry_seconds=_START_SECONDS)
        except OSError as error:
            self.stop()
            raise RuntimeError(f"{command} does not answer ({error}): {log.read_text()[-2000:]}") from error

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @property
    def memory_bytes(self) -> int:
        """Resident now."""
        return int(self._cpu.memory_info().rss)

    def get(self, path: str, *, method: str = "GET", body: Any = None, retry_seconds: float = 0) -> bytes:
        """One request, with a body as JSON or none."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        deadline = time.monotonic() + retry_seconds
        while True:
            try:
                with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
                    told: bytes = answer.read()
                    return told
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def measure(
        self, requests: Sequence[str], *, connections: int, seconds: float, seed: int, rate: float | None = None
    ) -> dict[str, float]:
        """Drive the requests from another process, at a `rate` or without rest; adds the server's CPU µs a request."""
        arguments = {
            "port": self.port,
            "requests": requests,
            "connections": connections,
            "seconds": seconds,
            "seed": seed,
            "rate": rate,
        }
        before = self._cpu.cpu_times()
        done = subprocess.run(
            ["taskset", "--cpu-list", str(OTHER_CORE), sys.executable, "-m", "bench.http_load"],
            input=json.dumps(arguments),
            stdout=subprocess.PIPE,
            text=True,
            timeout=seconds + 90,
            check=True,
        )
        after = self._cpu.cpu_times()
        figures: dict[str, float] = json.loads(done.stdout)
        used = after.user + after.system - before.user - before.system
        return {**figures, "server_cpu_us": 1e6 * used / figures["requests"]}


def api_server(settings: Settings, *, body_bytes: int) -> Server:
    """The API with its constant endpoints, whose body is so long."""
    return Server(
        [sys.executable, "-m", "bench.api_app"],
        settings.port("api"),
        "/live",
        settings.home / "api.log",
        SARAN_HOME=str(settings.home),
        SARAN_PORT_OFFSET=str(settings.port_offset),
        BENCH_BODY_BYTES=str(body_bytes),
        PYTHONPATH=str(Path.cwd()),
    )
