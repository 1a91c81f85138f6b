"""A small HTTP/1.1 load generator: keep-alive connections that each send the next request when they have an answer.

Run in a process of its own, so that it measures the server and not itself.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Final, cast

import uvloop

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


def get(path: str) -> str:
    """A request to read `path`."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


def post(path: str, body: str) -> str:
    """A request that sends JSON, which has to be ASCII."""
    kind = "content-type: application/json"
    return f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{kind}\r\ncontent-length: {len(body)}\r\n\r\n{body}"


class _Connection(asyncio.Protocol):
    """Sends `requests` in random order until `deadline`; notes the seconds of each answer."""

    def __init__(self, requests: list[bytes], deadline: float, seconds: list[float], generator: random.Random) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self.errors = 0
        self.bytes = 0
        self._requests = requests
        self._deadline = deadline
        self._seconds = seconds
        self._pick = generator.choice
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        self._sent = time.perf_counter()
        if self._sent > self._deadline:
            self._transport.close()
            return
        self._transport.write(self._pick(self._requests))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return
        head = self._buffer[: end + 2].lower()
        place = head.index(_LENGTH) + len(_LENGTH)
        length = int(head[place : head.index(b"\r\n", place)])
        if len(self._buffer) < end + len(_HEAD_END) + length:
            return
        self._seconds.append(time.perf_counter() - self._sent)
        self.errors += not self._buffer.startswith(b"HTTP/1.1 200")
        self.bytes += length
        self._buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


async def load(port: int, requests: list[str], *, connections: int, seconds: float, seed: int) -> dict[str, float]:
    """Drive `127.0.0.1:port`; gives requests, requests a second, latencies in ms, errors and the mean body."""
    encoded = [request.encode("ascii") for request in requests]
    loop = asyncio.get_running_loop()
    generator = random.Random(seed)
    times: list[float] = []
    started = time.perf_counter()
    open_connections = [
        (
            await loop.create_connection(
                lambda: _Connection(encoded, started + seconds, times, generator), "127.0.0.1", port
            )
        )[1]
        for _ in range(connections)
    ]
    await asyncio.wait_for(asyncio.gather(*(one.ended for one in open_connections)), seconds + 30)
    elapsed = time.perf_counter() - started
    times.sort()
    return {
        "requests": len(times),
        "per_second": len(times) / elapsed,
        "p50_ms": 1000 * times[len(times) // 2],
        "p99_ms": 1000 * times[len(times) * 99 // 100],
        "errors": sum(one.errors for one in open_connections),
        "mean_body_bytes": sum(one.bytes for one in open_connections) / len(times),
    }


def main() -> None:
    """Read the arguments of `load` as JSON from standard input; write its figures as JSON to standard output."""
    arguments = json.load(sys.stdin)
    sys.stdout.write(json.dumps(uvloop.run(load(**arguments))))


if __name__ == "__main__":
    main()
