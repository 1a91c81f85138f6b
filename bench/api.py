"""`make bench-api`: the hot endpoints next to an endpoint that returns a constant.

Same server, same middleware, same run, one worker on one core; the constant has a body as long as a list. The model is
synthetic ALS, as the default training makes it (10,000 items × 64 factors); users are drawn at random from 100,000 with
20 events each, so no cache of lists could help. The constant is measured twice: on a FastAPI route as one would write
it (the aims compare with that), and on the same short path that lists take. Rounds alternate, and each figure is the
median of its rounds; beside requests a second stands the server's CPU time a request, which a busy machine disturbs
less. With 64 connections that never rest, a latency says no more than how many lists there are a second. So lists are
asked once more with requests that come at random moments, half as many a second as those that the round had without
rest: those latencies are what a user sees.

With GORSE_BIN naming a binary of the Gorse recommender server (see `bench.gorse`), lists are then asked of it and of
Saran in turns: the same histories, connections and number of items, one core each.

`--soak-seconds 600` then drives lists for so long and prints how the server's memory grew.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from bench import gorse
from bench.api_parts import OTHER_CORE, USERS, Server, api_server, fill_histories, write_synthetic_model
from bench.http_load import get, post
from rich.console import Console
from rich.table import Table
from tests.servers import free_offset, postgres_server

from saran.core.settings import Settings

AIM_MEMORY: Final = 0.6
AIM_POSTGRES: Final = 0.4
AIM_P99_MS: Final = 25
_LIMIT: Final = 10
_OPEN_SHARE: Final = 0.5
"""Of the rate without rest."""

_SOAK_PART_SECONDS: Final = 10.0
_CONSTANT: Final = "constant"
_SHORT: Final = "constant, short path"
_IN_MEMORY: Final = "list, history in memory"
_IN_POSTGRES: Final = "list, history in PostgreSQL"

Figures = dict[str, float]
Requests = list[str]


def cases(items: int, users: int) -> dict[str, tuple[Requests, str]]:
    """Name → requests, and where histories are read."""
    lists = [f"/recommendations/user/user-{user}?limit={_LIMIT}" for user in range(users)]
    shaped = {"by category": "category=Drama", "with reasons": "explain=true", "diverse": "diversity=0.5"}
    generator = np.random.default_rng(3)
    sessions = [
        json.dumps({"items": [str(item) for item in generator.integers(items, size=5)], "limit": _LIMIT})
        for _ in range(1000)
    ]
    return {
        _CONSTANT: ([get("/constant/fastapi")], "postgres"),
        _SHORT: ([get("/constant/direct")], "postgres"),
        _IN_MEMORY: (list(map(get, lists)), "memory"),
        _IN_POSTGRES: (list(map(get, lists)), "postgres"),
        **{
            f"list {name}, history in memory": ([get(f"{path}&{query}") for path in lists], "memory")
            for name, query in shaped.items()
        },
        "session of 5 items": ([post("/recommendations/session", body) for body in sessions], "postgres"),
        "similar items": (
            [get(f"/recommendations/similar/{item}?limit={_LIMIT}") for item in range(items)],
            "postgres",
        ),
        "item": ([get(f"/items/{item}") for item in range(items)], "postgres"),
    }


def run(
    home: Path,
    *,
    items: int,
    factors: int,
    users: int,
    connections: int,
    seconds: float,
    rounds: int,
    soak_seconds: float,
    gorse_binary: Path | None,
) -> Any:
    """All rounds; gives the figures of each endpoint and the ratios."""
    settings = Settings(home=home, port_offset=free_offset())
    postgres = postgres_server(settings)
    postgres.start()
    try:
        write_synthetic_model(settings, items=items, factors=factors)
        fill_histories(settings.postgres_url, items=items, users=users)
        with api_server(settings, body_bytes=0) as server:
            lists = [
                server.get(f"/recommendations/user/user-{user}?limit={_LIMIT}") for user in range(0, users, users // 50)
            ]
        size = round(statistics.mean(map(len, lists)))
        asked = cases(items, users)
        measured: dict[str, list[Figures]] = {name: [] for name in asked}
        soaked = compared = None
        with api_server(settings, body_bytes=size) as server:
            for number in range(rounds + 1):
                for name, (requests, source) in asked.items():
                    server.get(f"/bench/read/{source}", method="POST")
                    figures = server.measure(
                        requests, connections=connections, seconds=seconds if number else 1, seed=number
                    )
                    if not number:  # the round before the first warms up
                        continue
                    if name in (_IN_MEMORY, _IN_POSTGRES):
                        rate = figures["per_second"] * _OPEN_SHARE
                        opened = server.measure(
                            requests, connections=4 * connections, seconds=seconds, seed=number, rate=rate
                        )
                        figures |= {f"open_{one}": opened[one] for one in ("per_second", "p50_ms", "p99_ms", "errors")}
                    measured[name].append(figures)
            if gorse_binary is not None:
                server.get("/bench/read/postgres", method="POST")
                compared = gorse.compare(
                    server,
                    gorse_binary,
                    home / "gorse",
                    settings.postgres_url,
                    items=items,
                    users=users,
                    connections=connections,
                    seconds=seconds,
                    rounds=rounds,
                )
            if soak_seconds:
                server.get("/bench/read/postgres", method="POST")
                soaked = soak(server, asked[_IN_POSTGRES][0], connections=connections, seconds=soak_seconds)
    finally:
        postgres.stop()
    setting = {"items": items, "factors": factors, "users": users, "connections": connections, "body_bytes": size}
    return {**_summary(measured), "setting": setting, "gorse": compared, "soak": soaked, "rounds": measured}


def soak(server: Server, requests: Requests, *, connections: int, seconds: float) -> dict[str, Any]:
    """Drive the requests for so long. Gives resident memory after each part, and its slope over the later half.

    The slope is of least squares: the first half is left out, as pools and caches fill then.
    """
    started = time.monotonic()
    times: list[float] = []
    memory: list[float] = []
    answered = errors = 0.0
    while (elapsed := time.monotonic() - started) < seconds:
        part = min(_SOAK_PART_SECONDS, seconds - elapsed)
        figures = server.measure(requests, connections=connections, seconds=part, seed=len(times))
        answered, errors = answered + figures["requests"], errors + figures["errors"]
        times.append(time.monotonic() - started)
        memory.append(server.memory_bytes / 2**20)
    later = len(times) // 2
    slope = float(np.polyfit(times[later:], memory[later:], 1)[0]) if len(times) - later > 1 else float("nan")
    return {
        "seconds": seconds,
        "requests": answered,
        "errors": errors,
        "first_mib": memory[0],
        "last_mib": memory[-1],
        "slope_mib_per_minute": slope * 60,
        "mib": memory,
    }


def _summary(measured: Mapping[str, list[Figures]]) -> dict[str, Any]:
    endpoints = {
        name: {figure: statistics.median(one[figure] for one in rounds) for figure in rounds[0]}
        for name, rounds in measured.items()
    }
    ratios = {
        base: {name: one["per_second"] / endpoints[base]["per_second"] for name, one in endpoints.items()}
        for base in (_CONSTANT, _SHORT)
    }
    return {"endpoints": endpoints, "ratios": ratios}


def show(result: dict[str, Any], console: Console) -> None:
    """The figures as tables."""
    columns = (
        "endpoint",
        "requests/s",
        "of constant",
        "of short",
        "p50 ms",
        "p99 ms",
        "CPU µs",
        "body bytes",
        "errors",
    )
    table = Table(*columns, title=str(result["setting"]))
    for name, one in result["endpoints"].items():
        table.add_row(
            name,
            f"{one['per_second']:.0f}",
            *(f"{result['ratios'][base][name]:.2f}" for base in (_CONSTANT, _SHORT)),
            f"{one['p50_ms']:.2f}",
            f"{one['p99_ms']:.2f}",
            f"{one['server_cpu_us']:.0f}",
            f"{one['mean_body_bytes']:.0f}",
            f"{one['errors']:.0f}",
        )
    console.print(table)
    for name, one in result["endpoints"].items():
        if "open_p99_ms" in one:
            console.print(
                f"{name}, {one['open_per_second']:.0f} a second at random moments: p50 {one['open_p50_ms']:.1f} ms, "
                f"p99 {one['open_p99_ms']:.1f} ms, {one['open_errors']:.0f} errors"
            )
    console.print(
        f"Aims: {AIM_MEMORY} of the constant from memory, {AIM_POSTGRES} from PostgreSQL, at 10,000 items; p99 below "
        f"{AIM_P99_MS} ms at 100,000."
    )
    if compared := result["gorse"]:
        for name, title in (("saran", "Saran"), ("gorse", f"Gorse {compared['version']}")):
            one = compared[name]
            console.print(
                f"{title}, lists of {compared['users']:,} users, histories in PostgreSQL: {one['per_second']:.0f} a "
                f"second, p50 {one['p50_ms']:.1f} ms, p99 {one['p99_ms']:.1f} ms, {one['server_cpu_us']:.0f} µs of its "
                f"core, {one['errors']:.0f} errors"
            )
        console.print(f"Saran gives {compared['ratio']:.2f} times as many lists as Gorse.")
    if soaked := result["soak"]:
        console.print(
            f"Memory over {soaked['seconds']:.0f} s and {soaked['requests']:,.0f} lists ({soaked['errors']:.0f} "
            f"errors): {soaked['first_mib']:.1f} MiB after the first part, {soaked['last_mib']:.1f} MiB at the end; "
            f"slope of the later half {soaked['slope_mib_per_minute']:+.3f} MiB a minute."
        )


def main() -> None:
    """Run, print, and write JSON when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--users", type=int, default=USERS, help="at least 50; Gorse takes long to make lists for many")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4, help="of each endpoint in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak-seconds", type=float, default=0, help="of lists, at most 3600; 0 leaves it out")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    # PostgreSQL and the load inherit this; each server has its own core.
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory(prefix="saran-bench-") as home:
        result = run(
            Path(home),
            items=given.items,
            factors=given.factors,
            connections=given.connections,
            seconds=given.seconds,
            rounds=given.rounds,
            users=given.users,
            soak_seconds=min(given.soak_seconds, 3600),
            gorse_binary=Path(binary).absolute() if (binary := os.environ.get("GORSE_BIN")) else None,
        )
    console = Console()
    # Names are long; a file or a pipe has no width of its own.
    show(result, console if console.is_terminal else Console(width=140))
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
