"""`make bench-sse`: from an event to the new list on a user's stream, with many streams on one worker.

Real broker, real PostgreSQL, the API and the online worker, each a process, on 127.0.0.1. Every stream is of another
user, who has a history of 20 events; at the given rate one of them, drawn at random, does something. Timed is from the
sending of the request to its 202, and to the list on the stream.
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
import psutil
from bench.online_parts import GIVE_UP_SECONDS, ITEMS, click, online_parts, until_ready
from rich.console import Console

AIM_P99_MS: Final = 1000


class _Stream:
    """One client. `told` is set at each list; lists are not decoded, so that the clients leave the server its time."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.told = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, port: int) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        self._writer.write(f"GET /stream/recommendations/{self.user} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
        if b" 200 " not in (status := await reader.readline()):
            raise RuntimeError(f"the stream of {self.user}: {status.decode().strip()}")
        while line := await reader.readline():
            if line.startswith(b"event: recommendations"):
                self.told.set()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


async def _one(http: httpx.AsyncClient, stream: _Stream, item: str) -> tuple[float, float]:
    """Seconds from the request to its 202, and to the list."""
    stream.told.clear()
    started = time.perf_counter()
    accepted = await click(http, stream.user, item)
    await asyncio.wait_for(stream.told.wait(), GIVE_UP_SECONDS)
    return accepted, time.perf_counter() - started


async def measure(url: str, api: psutil.Process, *, clients: int, events: int, rate: float) -> dict[str, Any]:
    """Open the streams, send the events; gives times in ms."""
    generator = random.Random(1)
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        await until_ready(http)
        before = api.memory_info().rss
        streams = [_Stream(f"user-{number}") for number in range(clients)]
        opened = time.perf_counter()
        reading = [asyncio.create_task(one.run(httpx.URL(url).port or 80)) for one in streams]
        await asyncio.wait_for(asyncio.gather(*(one.told.wait() for one in streams)), GIVE_UP_SECONDS)
        opened = time.perf_counter() - opened
        held = api.memory_info().rss - before
        for _ in range(3):  # the worker has its partitions after the first
            await _one(http, streams[0], str(generator.randrange(ITEMS)))
        timed, free = [], streams.copy()
        cpu, started = sum(api.cpu_times()[:2]), time.perf_counter()

        async def one(stream: _Stream) -> None:
            timed.append(await _one(http, stream, str(generator.randrange(ITEMS))))
            free.append(stream)

        async with asyncio.TaskGroup() as group:
            for number in range(events):
                await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
                # One event of a user at a time, so that each list is of one event.
                group.create_task(one(free.pop(generator.randrange(len(free)))))
        elapsed = time.perf_counter() - started
        used = sum(api.cpu_times()[:2]) - cpu
        for stream in streams:
            stream.close()
        await asyncio.gather(*reading, return_exceptions=True)
    accepted, updated = (sorted(1000 * one[part] for one in timed) for part in (0, 1))
    after = sorted(1000 * (update - accept) for accept, update in timed)
    return {
        "clients": clients,
        "events": events,
        "rate_per_second": events / elapsed,
        "first_lists_seconds": opened,
        "memory_kib_a_client": held / clients / 1024,
        "accepted_p50_ms": accepted[events // 2],
        "accepted_p99_ms": accepted[events * 99 // 100],
        "update_p50_ms": updated[events // 2],
        "update_p99_ms": updated[events * 99 // 100],
        "update_worst_ms": updated[-1],
        "from_accepted_p50_ms": after[events // 2],
        "from_accepted_p99_ms": after[events * 99 // 100],
        "api_cpu_share": used / elapsed,
    }


def run(home: Path, *, clients: int, events: int, rate: float) -> dict[str, Any]:
    """Start what is needed, measure, end it."""
    with online_parts(home, SARAN_SERVING__STREAM_CLIENTS=str(clients)) as (settings, api):
        return asyncio.run(measure(settings.api_url, api, clients=clients, events=events, rate=rate))


def main() -> None:
    """Run, print, and write JSON when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=50, help="events a second")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saran-sse-") as home:
        result = run(Path(home), clients=given.clients, events=given.events, rate=given.rate)
    Console().print_json(data={**result, "aim_p99_ms": AIM_P99_MS})
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
