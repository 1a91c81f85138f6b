"""From a 202 on POST /stream/events to the first answer that uses the event, under a light load.

Real broker, real PostgreSQL, the API and the online worker, each a process, on 127.0.0.1. One click of one user is
timed after the other, while other users' lists are asked for and other users click at the given rates.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx
from bench.online_parts import GIVE_UP_SECONDS, ITEMS, click, online_parts, until_ready
from rich.console import Console

AIM_P95_MS: Final = 500


async def _background(http: httpx.AsyncClient, rate: float, generator: random.Random) -> None:
    """Lists of random users, and a click for every fifth, at `rate` requests a second."""
    tasks: set[asyncio.Task[httpx.Response]] = set()
    while True:
        user = f"user-{generator.randrange(100_000)}"
        if generator.random() < 0.2:
            event = {"user_id": user, "action": "view", "item_id": str(generator.randrange(ITEMS))}
            task = asyncio.create_task(http.post("/stream/events", json=[event]))
        else:
            task = asyncio.create_task(http.get(f"/recommendations/user/{user}"))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(1 / rate)


async def _one(http: httpx.AsyncClient, number: int, item: str) -> tuple[float, float]:
    """Seconds from the request to its 202, and from there to the first list that uses the event."""
    user = f"click-{number}"
    seconds = await click(http, user, item)
    accepted = time.perf_counter()
    while (await http.get(f"/recommendations/user/{user}")).json()["source"] != "personal":
        if time.perf_counter() - accepted > GIVE_UP_SECONDS:
            raise RuntimeError(f"the click of {user} is still not used after {GIVE_UP_SECONDS} s")
        await asyncio.sleep(0.001)
    return seconds, time.perf_counter() - accepted


async def measure(url: str, *, clicks: int, rate: float) -> dict[str, Any]:
    """Time `clicks` clicks; gives median and p95 in ms."""
    generator = random.Random(1)
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        await until_ready(http)
        for number in range(3):  # the worker has its partitions after the first
            await _one(http, -1 - number, "1")
        load = asyncio.create_task(_background(http, rate, generator))
        timed = [await _one(http, number, str(generator.randrange(ITEMS))) for number in range(clicks)]
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
    with online_parts(home) as (settings, _):
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
