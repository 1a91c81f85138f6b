"""From a 202 on POST /stream/events to the first answer that uses the event, under a light load.

Real broker, real PostgreSQL, the API and the online worker, each a process, on 127.0.0.1. One click of one user is
timed after the other, while other users' lists are asked for and other users click at the given rates.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx
from bench.serve import fill_histories, write_synthetic_model
from rich.console import Console
from tests.servers import free_offset, kafka_server, postgres_server

from saran.core.settings import Settings

AIM_P95_MS: Final = 500
_ITEMS: Final = 10_000
_GIVE_UP_SECONDS: Final = 30


async def _background(http: httpx.AsyncClient, rate: float, generator: random.Random) -> None:
    """Lists of random users, and a click for every fifth, at `rate` requests a second."""
    tasks: set[asyncio.Task[httpx.Response]] = set()
    while True:
        user = f"user-{generator.randrange(100_000)}"
        if generator.random() < 0.2:
            event = {"user_id": user, "action": "view", "item_id": str(generator.randrange(_ITEMS))}
            task = asyncio.create_task(http.post("/stream/events", json=[event]))
        else:
            task = asyncio.create_task(http.get(f"/recommendations/user/{user}"))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(1 / rate)


async def _one(http: httpx.AsyncClient, number: int, item: str) -> tuple[float, float]:
    """Seconds from the request to its 202, and from there to the first list that uses the event."""
    user = f"click-{number}"
    started = time.perf_counter()
    answer = await http.post("/stream/events", json=[{"user_id": user, "action": "click", "item_id": item}])
    accepted = time.perf_counter()
    if answer.status_code != 202:
        raise RuntimeError(f"POST /stream/events: {answer.status_code} {answer.text}")
    while (await http.get(f"/recommendations/user/{user}")).json()["source"] != "personal":
        if time.perf_counter() - accepted > _GIVE_UP_SECONDS:
            raise RuntimeError(f"the click of {user} is still not used after {_GIVE_UP_SECONDS} s")
        await asyncio.sleep(0.001)
    return accepted - started, time.perf_counter() - accepted


async def measure(url: str, *, clicks: int, rate: float) -> dict[str, Any]:
    """Time `clicks` clicks; gives median and p95 in ms."""
    generator = random.Random(1)
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while True:
            try:
                if (await http.get("/ready")).status_code == 200:
                    break
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.05)
        for number in range(3):  # the worker has its partitions after the first
            await _one(http, -1 - number, "1")
        load = asyncio.create_task(_background(http, rate, generator))
        timed = [await _one(http, number, str(generator.randrange(_ITEMS))) for number in range(clicks)]
        load.cancel()
    acknowledged, used = (sorted(1000 * one[part] for one in timed) for part in (0, 1))
    return {
        "clicks": clicks,
        "load_per_second": rate,
        "accepted_median_ms": acknowledged[clicks // 2],
        "accepted_p95_ms": acknowledged[clicks * 95 // 100],
        "used_median_ms": used[clicks // 2],
        "used_p95_ms": used[clicks * 95 // 100],
        "used_worst_ms": used[-1],
    }


def run(home: Path, *, clicks: int, rate: float) -> dict[str, Any]:
    """Start what is needed, measure, end it."""
    settings = Settings(home=home, port_offset=free_offset())
    environment = {**os.environ, "SARAN_HOME": str(home), "SARAN_PORT_OFFSET": str(settings.port_offset)}
    with ExitStack() as stack:
        for server in (postgres_server(settings), kafka_server(settings)):
            stack.callback(server.stop)
            server.start()
        write_synthetic_model(settings, items=_ITEMS, factors=64)
        fill_histories(settings.postgres_url, items=_ITEMS)
        for module in ("saran.api", "saran.api.worker"):
            log = stack.enter_context((home / f"{module}.log").open("wb"))
            process = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=log, stderr=log)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        return asyncio.run(measure(settings.api_url, clicks=clicks, rate=rate))


def main() -> None:
    """Run, print, and write JSON when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clicks", type=int, default=300)
    parser.add_argument("--rate", type=float, default=20, help="other requests a second meanwhile")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saran-click-") as home:
        result = run(Path(home), clicks=given.clicks, rate=given.rate)
    Console().print_json(data={**result, "aim_p95_ms": AIM_P95_MS})
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
