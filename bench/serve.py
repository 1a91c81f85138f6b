"""`make bench-serve`: lists for users next to an endpoint that returns a constant.

Same server, same middleware, a body of the same size, same run, one worker. The model is synthetic (10,000 items × 64
factors), users are drawn at random from 100,000 with 20 events each, so no cache of lists could help. The constant is
measured twice: on a FastAPI route as one would write it (the aims compare with that), and on the same short path
that lists take. Rounds alternate, and each figure is the median of its rounds; beside requests a second stands the
server's CPU time a request, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import psycopg
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from tests.servers import free_offset, postgres_server

from saran.core.confidence import Weights
from saran.core.database import migrate
from saran.core.model_folder import Manifest, write_model
from saran.core.model_parts import als_part
from saran.core.names import Model
from saran.core.settings import Settings
from saran.core.versions import set_champion

AIM_MEMORY: Final = 0.6
AIM_POSTGRES: Final = 0.4
_USERS: Final = 100_000
_EVENTS: Final = 20
_START_SECONDS: Final = 60


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
        users=_USERS,
        items=items,
        interactions=_USERS * _EVENTS,
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


def fill_histories(url: str, *, items: int) -> None:
    """100,000 users with 20 events each."""
    generator = np.random.default_rng(2)
    migrate(url)
    with psycopg.connect(url, connect_timeout=10) as connection:
        connection.execute("SET timezone = UTC")
        with connection.cursor() as cursor, cursor.copy("COPY online.user_history FROM STDIN") as copy:
            missing = "{" + ",".join(["NaN"] * _EVENTS) + "}"
            times = "{" + ",".join(str(1_600_000_000_000 + place) for place in range(_EVENTS)) + "}"
            for user in range(_USERS):
                seen = ",".join(map(str, generator.integers(items, size=_EVENTS)))
                actions = ",".join(map(str, generator.integers(4, size=_EVENTS)))
                hashes = ",".join(map(str, generator.integers(2**62, size=_EVENTS)))
                copy.write(f"user-{user}\t{{{seen}}}\t{{{actions}}}\t{missing}\t{times}\t{{{hashes}}}\n")
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute("VACUUM ANALYZE online.user_history")


class Server:
    """The bench's API in a process of its own."""

    def __init__(self, settings: Settings, *, body_bytes: int) -> None:
        self.port = settings.port("api")
        environment = {
            **os.environ,
            "SARAN_HOME": str(settings.home),
            "SARAN_PORT_OFFSET": str(settings.port_offset),
            "BENCH_BODY_BYTES": str(body_bytes),
        }
        self._log = (settings.home / "api.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.serve_app"], env=environment, stdout=self._log, stderr=self._log
        )
        self._cpu = psutil.Process(self._process.pid)
        self.get("/live", retry_seconds=_START_SECONDS)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        self._log.close()

    def get(self, path: str, *, method: str = "GET", retry_seconds: float = 0) -> bytes:
        """One request."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        deadline = datetime.now(UTC).timestamp() + retry_seconds
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                    body: bytes = answer.read()
                    return body
            except OSError:
                if datetime.now(UTC).timestamp() > deadline or self._process.poll() is not None:
                    raise

    def measure(self, paths: list[str], *, connections: int, seconds: float, seed: int) -> dict[str, float]:
        """Drive the paths from another process; adds the server's CPU time a request in µs."""
        arguments = {"port": self.port, "paths": paths, "connections": connections, "seconds": seconds, "seed": seed}
        before = self._cpu.cpu_times()
        done = subprocess.run(
            [sys.executable, "-m", "bench.http_load"],
            input=json.dumps(arguments),
            stdout=subprocess.PIPE,
            text=True,
            timeout=seconds + 60,
            check=True,
        )
        after = self._cpu.cpu_times()
        figures: dict[str, float] = json.loads(done.stdout)
        used = after.user + after.system - before.user - before.system
        return {**figures, "server_cpu_us": 1e6 * used / figures["requests"]}


def run(home: Path, *, items: int, factors: int, connections: int, seconds: float, rounds: int) -> dict[str, Any]:
    """All rounds; gives the figures of each endpoint and the ratios."""
    settings = Settings(home=home, port_offset=free_offset())
    postgres = postgres_server(settings)
    postgres.start()
    try:
        write_synthetic_model(settings, items=items, factors=factors)
        fill_histories(settings.postgres_url, items=items)
        users = [f"/recommendations/user/user-{user}?limit=10" for user in range(_USERS)]
        with Server(settings, body_bytes=0) as server:
            size = round(statistics.mean(len(server.get(path)) for path in users[:: _USERS // 50]))
        shaped = {"by category": "category=Drama", "with reasons": "explain=true", "diverse": "diversity=0.5"}
        cases = {
            "constant": (["/constant/fastapi"], "postgres"),
            "constant, short path": (["/constant/direct"], "postgres"),
            "list, history in memory": (users, "memory"),
            "list, history in PostgreSQL": (users, "postgres"),
            **{
                f"list {name}, history in memory": ([f"{path}&{query}" for path in users], "memory")
                for name, query in shaped.items()
            },
        }
        measured: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
        with Server(settings, body_bytes=size) as server:
            for number in range(rounds + 1):
                for name, (paths, source) in cases.items():
                    server.get(f"/bench/read/{source}", method="POST")
                    figures = server.measure(
                        paths, connections=connections, seconds=seconds if number else 1, seed=number
                    )
                    if number:  # the round before the first warms up
                        measured[name].append(figures)
    finally:
        postgres.stop()
    return _summary(measured, {"items": items, "factors": factors, "connections": connections, "body_bytes": size})


def _summary(measured: dict[str, list[dict[str, float]]], setting: dict[str, Any]) -> dict[str, Any]:
    endpoints = {
        name: {figure: statistics.median(one[figure] for one in rounds) for figure in rounds[0]}
        for name, rounds in measured.items()
    }
    ratios = {
        f"{name} / {base}": {
            "per_second": endpoints[name]["per_second"] / endpoints[base]["per_second"],
            "cpu": endpoints[base]["server_cpu_us"] / endpoints[name]["server_cpu_us"],
        }
        for name in ("list, history in memory", "list, history in PostgreSQL")
        for base in ("constant", "constant, short path")
    }
    return {"setting": setting, "endpoints": endpoints, "ratios": ratios, "rounds": measured}


def show(result: dict[str, Any], console: Console) -> None:
    """The figures as tables."""
    table = Table("endpoint", "requests/s", "p50 ms", "p99 ms", "server CPU µs", "errors", title=str(result["setting"]))
    for name, one in result["endpoints"].items():
        table.add_row(
            name,
            f"{one['per_second']:.0f}",
            f"{one['p50_ms']:.2f}",
            f"{one['p99_ms']:.2f}",
            f"{one['server_cpu_us']:.0f}",
            f"{one['errors']:.0f}",
        )
    console.print(table)
    ratios = Table("ratio", "by requests/s", "by CPU", "aim")
    for name, one in result["ratios"].items():
        aim = "" if "short" in name else str(AIM_MEMORY if "memory" in name else AIM_POSTGRES)
        ratios.add_row(name, f"{one['per_second']:.2f}", f"{one['cpu']:.2f}", aim)
    console.print(ratios)


def main() -> None:
    """Run, print, and write JSON when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4, help="of each endpoint in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saran-bench-") as home:
        result = run(
            Path(home),
            items=given.items,
            factors=given.factors,
            connections=given.connections,
            seconds=given.seconds,
            rounds=given.rounds,
        )
    show(result, Console())
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
