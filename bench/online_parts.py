"""Broker, PostgreSQL, API and online worker, each a process, on 127.0.0.1, with a synthetic model and its histories."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx
import psutil
from bench.api_parts import fill_histories, write_synthetic_model
from tests.servers import free_offset, kafka_server, postgres_server

from saran.core.settings import Settings

ITEMS: Final = 10_000
GIVE_UP_SECONDS: Final = 30


@contextmanager
def online_parts(home: Path, **variables: str) -> Iterator[tuple[Settings, psutil.Process]]:
    """Runs them while the context lasts; gives their settings and the API's process."""
    settings = Settings(home=home, port_offset=free_offset())
    offset = str(settings.port_offset)
    environment = {**os.environ, "SARAN_HOME": str(home), "SARAN_PORT_OFFSET": offset, **variables}
    with ExitStack() as stack:
        for server in (postgres_server(settings), kafka_server(settings)):
            stack.callback(server.stop)
            server.start()
        write_synthetic_model(settings, items=ITEMS, factors=64)
        fill_histories(settings.postgres_url, items=ITEMS)
        started = []
        for module in ("saran.api", "saran.api.worker"):
            log = stack.enter_context((home / f"{module}.log").open("wb"))
            process = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=log, stderr=log)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            started.append(process)
        yield settings, psutil.Process(started[0].pid)


async def until_ready(http: httpx.AsyncClient) -> None:
    """Returns when the API can serve."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while True:
        try:
            if (await http.get("/ready")).status_code == 200:
                return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.05)


async def click(http: httpx.AsyncClient, user: str, item: str) -> float:
    """Seconds from the request to its 202."""
    started = time.perf_counter()
    answer = await http.post("/stream/events", json=[{"user_id": user, "action": "click", "item_id": item}])
    if answer.status_code != 202:
        raise RuntimeError(f"POST /stream/events: {answer.status_code} {answer.text}")
    return time.perf_counter() - started
