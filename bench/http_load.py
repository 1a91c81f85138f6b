"""A small HTTP/1.1 load generator over keep-alive connections, in one of two ways.

Closed: each connection sends the next request when it has an answer, so the server is always full. Open: requests come
at a rate, at random moments (a Poisson process), whether the server keeps up or not, and a latency counts from the
moment at which a request came, so that what had to wait for a free connection counts too.

Run in a process of its own, so that it measures the server and not itself.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque
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


class Arrivals:
    """When requests come: `next` gives the moment of the next that nobody took yet, and None after the last."""

    def __init__(self, rate: float, seconds: float, generator: random.Random) -> None:
        self._moments: deque[float] = deque()
        moment = 0.0
        while (moment := moment + generator.expovariate(rate)) < seconds:
            self._moments.append(moment)
        self._started = time.perf_counter()

    def next(self) -> float | None:
        """By time.perf_counter; it may lie ahead or behind."""
        return self._started + self._moments.popleft() if self._moments else None


class _Connection(asyncio.Protocol):
    """Sends `requests` in random order until `deadline`, or as they come; notes the seconds of each answer."""

    def __init__(
        self,
        requests: list[bytes],
        deadline: float,
        seconds: list[float],
        generator: random.Random,
        arrivals: Arrivals | None,
    ) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self.errors = 0
        self.bytes = 0
        self._requests = requests
        self._deadline = deadline
        self._seconds = seconds
        self._pick = generator.choice
        self._arrivals = arrivals
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        now = time.perf_counter()
        moment = now if self._arrivals is None else self._arrivals.next()
        if moment is None or (self._arrivals is None and now > self._deadline):
            self._transport.close()
            return
        self._sent = moment
        if moment > now:
            asyncio.get_running_loop().call_later(moment - now, self._send)
        else:
            self._send()

    def _send(self) -> None:
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


async def load(
    port: int, requests: list[str], *, connections: int, seconds: float, seed: int, rate: float | None = None
) -> dict[str, float]:
    """Drive `127.0.0.1:port`, at `rate` requests a second where it is given, or else as fast as it answers.

    Gives requests, requests a second, latencies in ms, errors and the mean body.
    """
    encoded = [request.encode("ascii") for request in requests]
    loop = asyncio.get_running_loop()
    generator = random.Random(seed)
    times: list[float] = []
    arrivals = None if rate is None else Arrivals(rate, seconds, generator)
    started = time.perf_counter()
    open_connections = [
        (
            await loop.create_connection(
                lambda: _Connection(encoded, started + seconds, times, generator, arrivals), "127.0.0.1", port
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
