"""The Gorse recommender server beside Saran: `gorse-in-one` of https://github.com/gorse-io/gorse, version 0.5.

Gorse makes lists ahead of requests: it factorises the feedback and writes each user's best items to its cache; a
request reads these, and leaves out what the user's feedback holds. Its two stores are a database of the PostgreSQL
server that Saran's histories are in. Of its recommenders only the factorisation is switched on, and nothing is trained
while it is measured.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

import psycopg
from bench.api_parts import FIRST_MS, Server, SyntheticHistory, histories
from bench.http_load import get

from saran.core.entities import Action

_DATABASE: Final = "gorse"
_BATCH: Final = 250
"""Users whose feedback goes in one request."""

_READY_SECONDS: Final = 1800
_LOOK_SECONDS: Final = 2
_PROBED: Final = 100
"""Users whose lists are looked at before lists are measured."""

_ACTIONS: Final = [action.value for action in Action]
_FIRST: Final = datetime.fromtimestamp(FIRST_MS / 1000, UTC)

_CONFIG: Final = """
[database]
cache_store = "{database}"
data_store = "{database}"

[database.postgres]
max_open_conns = {database_connections}
max_idle_conns = {database_connections}

[master]
host = "127.0.0.1"
port = {rpc_port}
http_host = "127.0.0.1"
http_port = {port}
n_jobs = {jobs}

[server]
default_n = 10

[recommend]
cache_size = {cached}

[recommend.data_source]
positive_feedback_types = {actions}

[recommend.collaborative]
type = "mf"
fit_period = "24h"
fit_epoch = {epochs}
optimize_period = "0s"

[recommend.ranker]
type = "none"
recommenders = ["collaborative"]
fit_period = "24h"
optimize_period = "0s"

[recommend.fallback]
recommenders = ["latest"]

[blob]
uri = "{blobs}"
"""
_JOBS: Final = 4
"""Users for whom lists are made at once: most of the time is waiting for PostgreSQL."""

_DATABASE_CONNECTIONS: Final = 32
"""Of each of its two stores: with Gorse's default of 64, the two are more than PostgreSQL allows."""

_CACHED: Final = 30
"""Items of each list in the cache, 20 more than are asked for, as so many may be left out; Gorse's default is 100."""

_EPOCHS: Final = 10
"""The factors of synthetic feedback say nothing, however long they are trained."""


def compare(
    saran: Server,
    binary: Path,
    home: Path,
    postgres_url: str,
    *,
    items: int,
    users: int,
    connections: int,
    seconds: float,
    rounds: int,
) -> dict[str, Any]:
    """Lists of ten of the same users, asked of both by the same load in turns; gives the median of each figure.

    `saran` reads the same histories from the same PostgreSQL, and runs on the same core.
    """
    measured: dict[str, list[dict[str, float]]] = {"saran": [], "gorse": []}
    with gorse_server(binary, home, postgres_url, items=items, users=users) as gorse:
        asked = {
            "saran": (saran, [get(f"/recommendations/user/user-{user}?limit=10") for user in range(users)]),
            "gorse": (gorse, [get(f"/api/recommend/user-{user}?n=10") for user in range(users)]),
        }
        for number in range(rounds + 1):
            for name, (server, requests) in asked.items():
                figures = server.measure(
                    requests, connections=connections, seconds=seconds if number else 1, seed=number
                )
                if number:  # the round before the first warms up
                    measured[name].append(figures)
    medians = {
        name: {figure: statistics.median(one[figure] for one in told) for figure in told[0]}
        for name, told in measured.items()
    }
    ratio = medians["saran"]["per_second"] / medians["gorse"]["per_second"]
    return {"version": version(binary), "users": users, "ratio": ratio, "rounds": measured, **medians}


def version(binary: Path) -> str:
    """What the binary says it is."""
    told = subprocess.run([binary, "--version"], stdout=subprocess.PIPE, text=True, timeout=30, check=True).stdout
    lines = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    return lines["Version"].strip()


@contextmanager
def gorse_server(binary: Path, home: Path, postgres_url: str, *, items: int, users: int) -> Iterator[Server]:
    """Runs it with the histories of so many users in it, and their lists ready. `home` is a folder of its own.

    Raises RuntimeError when it does not get ready.
    """
    for folder in (home, home / "cache", home / "blobs"):
        folder.mkdir()
    with psycopg.connect(postgres_url, autocommit=True, connect_timeout=10) as connection:
        connection.execute(f'CREATE DATABASE "{_DATABASE}"')
    port, rpc_port = _free_ports(2)
    config = home / "config.toml"
    config.write_text(
        _CONFIG.format(
            database=_with_database(postgres_url),
            port=port,
            rpc_port=rpc_port,
            database_connections=_DATABASE_CONNECTIONS,
            jobs=_JOBS,
            cached=_CACHED,
            actions=json.dumps(_ACTIONS),
            epochs=_EPOCHS,
            blobs=home / "blobs",
        )
    )
    command = [str(binary), "--config", str(config), "--cache-path", str(home / "cache")]
    with Server(command, port, "/api/health/live", home / "gorse.log") as server:
        _insert(server, items=items, users=users)
    # It trains when it starts.
    with Server(command, port, "/api/health/live", home / "gorse.log") as server:
        _until_ready(server, users)
        _probe(server, items=items, users=users)
        yield server


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def _with_database(url: str) -> str:
    base, _, _ = url.rpartition("/")
    return f"{base}/{_DATABASE}?sslmode=disable"


def _insert(server: Server, *, items: int, users: int) -> None:
    for start in range(0, items, 1000):
        rows = [
            {"ItemId": str(item), "Categories": ["Drama", "Comedy"], "Comment": f"Synthetic item number {item}"}
            for item in range(start, min(start + 1000, items))
        ]
        server.get("/api/items", method="POST", body=rows)
    told = histories(items=items, users=users)
    while batch := list(islice(told, _BATCH)):
        server.get("/api/feedback", method="POST", body=[row for one in batch for row in _feedback(one)])


def _feedback(history: SyntheticHistory) -> Iterator[dict[str, Any]]:
    for place, (item, action) in enumerate(zip(history.items.tolist(), history.actions.tolist(), strict=True)):
        moment = _FIRST + timedelta(milliseconds=place)
        yield {
            "FeedbackType": _ACTIONS[action],
            "UserId": history.user_id,
            "ItemId": str(item),
            "Timestamp": moment.isoformat(),
        }


def _until_ready(server: Server, users: int) -> None:
    """Returns when the lists of all users are made."""
    deadline = time.monotonic() + _READY_SECONDS
    tasks: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        tasks = json.loads(server.get("/api/dashboard/tasks"))
        made = {task["Name"]: task for task in tasks}.get("Generate recommendation")
        complete = made is not None and made["Status"] == "Complete" and made["Total"] == users
        if complete and all(task["Status"] != "Running" for task in tasks):
            return
        time.sleep(_LOOK_SECONDS)
    raise RuntimeError(f"Gorse's lists are not ready after {_READY_SECONDS} s: {tasks}")


def _probe(server: Server, *, items: int, users: int) -> None:
    """Raises RuntimeError unless users have ten items each, of their own and without those of their history."""
    lists = set()
    for history in islice(histories(items=items, users=users), _PROBED):
        found = json.loads(server.get(f"/api/recommend/{history.user_id}?n=10"))
        if len(set(found)) != 10 or set(found) & set(map(str, history.items.tolist())):
            raise RuntimeError(f"Gorse's list of {history.user_id} is not ten new items: {found}")
        lists.add(tuple(found))
    if len(lists) < _PROBED // 2:
        raise RuntimeError(f"Gorse's lists are not personal: {len(lists)} different ones of {_PROBED} users")
