"""`make bench-train`: seconds an iteration, memory and quality of Saran's ALS, `implicit` and Spark's MLlib.

Each solver fits the same matrix at the same rank, confidence and number of cores in a process of its own, one after the
other. Quality is NDCG@10 on one held-out item of each of up to 5,000 users, their lists made by fold-in from the item
factors of each solver; `mllib` is given fewer iterations where it would take very long, and that is shown. With
`--executors` Saran's solver is also timed on one executor and on two, of one core each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import psutil
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from saran.core.confidence import Interactions
from saran.core.foldin import FoldIn
from saran.core.metrics import hits, mean_with_interval, ndcg
from saran.core.ranking import top_k_rows
from saran.producer.synthetic.make import synthesise

SOLVERS: Final = ("conjugate", "implicit", "mllib")
ON_EXECUTORS: Final = ("conjugate-1", "conjugate-2")
AIM_IMPLICIT: Final = 1.3
AIM_MLLIB: Final = 10.0
_TEST_USERS: Final = 5_000
_SOLVER_SECONDS: Final = 3600
_RETAIL_ROCKET_WEIGHTS: Final = {"view": 1.0, "addtocart": 3.0, "transaction": 5.0}


def _ratings(file: Path) -> Interactions:
    """`user item rating …` a line, tabs between, as MovieLens 100K's u.data."""
    frame = pl.read_csv(file, separator="\t", has_header=False, columns=[0, 1, 2])
    frame.columns = ["u", "i", "r"]
    return _pairs(frame.with_columns(pl.col("r").cast(pl.Float64)))


def _retail_rocket(folder: Path, rows: int) -> Interactions:
    synthesise("retailrocket", folder, rows=rows)
    frame = pl.read_csv(folder / "events.csv", columns=["visitorid", "event", "itemid"])
    weight = pl.col("event").replace_strict(_RETAIL_ROCKET_WEIGHTS, return_dtype=pl.Float64)
    return _pairs(frame.select(u="visitorid", i="itemid", r=weight))


def taste(count: int, *, users: int, items: int) -> Interactions:
    """`count` draws of a taste model: heavy-tailed users and items, and each user at home in two of 50 kinds."""
    rng = np.random.default_rng(1)
    weight = rng.pareto(1.2, users) + 0.2
    user = rng.choice(users, count, p=weight / weight.sum())
    kind_of_item = rng.integers(50, size=items)
    order = np.argsort(kind_of_item, kind="stable")
    first = np.searchsorted(kind_of_item[order], np.arange(51))
    homes = rng.integers(50, size=(users, 2))
    kind = np.where(rng.random(count) < 0.75, homes[user, rng.integers(2, size=count)], rng.integers(50, size=count))
    size = first[kind + 1] - first[kind]
    place = (size * rng.random(count) ** 2.5).astype(np.int64)
    frame = pl.DataFrame({"u": user, "i": order[first[kind] + place], "r": np.ones(count)})
    return _pairs(frame)


def _pairs(events: pl.DataFrame) -> Interactions:
    """Strengths added up by user and item, both numbered from 0, sorted."""
    summed = events.group_by("u", "i").agg(pl.col("r").sum()).sort("u", "i")
    dense = summed.select(pl.col("u").rank("dense") - 1, pl.col("i").rank("dense") - 1, "r")
    return Interactions(
        dense["u"].cast(pl.Int64).to_numpy(),
        dense["i"].cast(pl.Int64).to_numpy(),
        dense["r"].cast(pl.Float64).to_numpy(),
    )


def _hold_out(matrix: Interactions) -> tuple[Interactions, NDArray[np.int64], NDArray[np.int64]]:
    """The matrix without one item, drawn at random, of each test user with five or more; test users and their items."""
    users, items, strengths = matrix
    rng = np.random.default_rng(2)
    counts = np.bincount(users)
    able = np.flatnonzero(counts >= 5)
    tested = np.sort(rng.choice(able, min(_TEST_USERS, len(able)), replace=False))
    starts = np.cumsum(counts) - counts
    held = starts[tested] + (rng.random(len(tested)) * counts[tested]).astype(np.int64)
    keep = np.ones(len(users), dtype=np.bool_)
    keep[held] = False
    return Interactions(users[keep], items[keep], strengths[keep]), tested, items[held]


def _quality(
    factors: NDArray[np.float32],
    given: Interactions,
    tested: NDArray[np.int64],
    wanted: NDArray[np.int64],
    parameters: dict[str, Any],
) -> tuple[float, float, float]:
    """NDCG@10 with its 95 % interval."""
    foldin = FoldIn(factors, alpha=parameters["alpha"], regularization=parameters["regularization"])
    values = []
    for chunk in np.array_split(np.arange(len(tested)), max(1, len(tested) // 200)):
        first, last = np.searchsorted(given.users, tested[chunk]), np.searchsorted(given.users, tested[chunk] + 1)
        lengths = last - first
        rows = np.repeat(np.arange(len(chunk)), lengths)
        take = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
        mine = Interactions(rows, given.items[take], given.strengths[take])
        scores = foldin.solve(mine, len(chunk)) @ factors.T
        scores[rows, mine.items] = -np.inf
        found = hits(top_k_rows(scores, 10), [np.array([item]) for item in wanted[chunk]], 10)
        values.append(ndcg(found, np.ones(len(chunk), dtype=np.int64)))
    mean = mean_with_interval(np.concatenate(values), seed=1)
    return mean.value, mean.low, mean.high


def _run(solver: str, folder: Path) -> dict[str, Any]:
    """The solver's figures, with the highest memory of its processes together (shared pages counted once)."""
    with (folder / f"{solver}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.train_solver", solver, str(folder)], stdout=subprocess.PIPE, stderr=log
        )
        peak = _PeakMemory(process.pid)
        with peak:
            out, _ = process.communicate(timeout=_SOLVER_SECONDS)
    if process.returncode:
        raise SystemExit(f"{solver} failed:\n{(folder / f'{solver}.log').read_text()[-2000:]}")
    return {**json.loads(out), "peak_bytes": peak.bytes}


class _PeakMemory:
    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._root = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.2):
            total = 0
            try:
                for process in (self._root, *self._root.children(recursive=True)):
                    total += process.memory_full_info().pss
            except psutil.Error:  # a worker ended between the list and the look
                continue
            self.bytes = max(self.bytes, total)


def main() -> None:
    """Make the matrices, run the solvers, print, and save with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=Path, help="MovieLens 100K's u.data, for a case of real ratings")
    parser.add_argument("--events", type=int, default=2_700_000, help="of the synthetic Retail Rocket case; 0: without")
    parser.add_argument("--draws", type=int, default=20_000_000, help="of the large synthetic case; 0: without")
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument(
        "--mllib-iterations", type=int, default=1, help="on more than a million interactions; 0: without"
    )
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--executors", action="store_true", help="also one executor and two")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    console = Console()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="saran-bench-") as root:
        cases: dict[str, Callable[[], Interactions]] = {}
        if given.ratings is not None:
            cases["MovieLens ratings"] = lambda: _ratings(given.ratings)
        if given.events:
            cases["synthetic Retail Rocket"] = lambda: _retail_rocket(Path(root) / "retailrocket", given.events)
        if given.draws:
            cases["large synthetic"] = lambda: taste(given.draws, users=138_000, items=27_000)
        for name, make in cases.items():
            folder = Path(root) / name.replace(" ", "-")
            folder.mkdir()
            results[name] = _case(folder, make(), given)
            _show(name, results[name], console)
    if given.json is not None:
        given.json.write_text(json.dumps(results, indent=2) + "\n")


def _case(folder: Path, matrix: Interactions, options: argparse.Namespace) -> dict[str, Any]:
    users, items = matrix.users, matrix.items
    given, tested, wanted = _hold_out(matrix)
    parameters = {"rank": options.rank, "regularization": 0.01, "alpha": 1.0, "blocks": options.cores}
    few = options.mllib_iterations if len(users) > 1_000_000 else options.iterations
    names = [*SOLVERS, *(ON_EXECUTORS if options.executors else ())]
    if not few:
        names.remove("mllib")
    iterations = {name: few if name == "mllib" else options.iterations for name in names}
    warm = {name: count > 1 for name, count in iterations.items()}
    setting = {"parameters": parameters, "items": int(items.max()) + 1, "iterations": iterations, "warm": warm}
    np.savez(folder / "interactions.npz", **given._asdict())
    (folder / "settings.json").write_text(json.dumps(setting))
    solvers: dict[str, Any] = {}
    for solver in names:
        start = time.perf_counter()
        figures = _run(solver, folder)
        quality = _quality(np.load(folder / f"{solver}.npy"), given, tested, wanted, parameters)
        solvers[solver] = {**figures, "whole": time.perf_counter() - start, "ndcg@10": quality}
        print(solver, json.dumps(solvers[solver]), file=sys.stderr)
    return {**setting, "users": int(users.max()) + 1, "interactions": len(users), "solvers": solvers}


def _show(name: str, case: dict[str, Any], console: Console) -> None:
    shape = f"{case['users']:,} users × {case['items']:,} items, {case['interactions']:,} interactions"
    table = Table("solver", "s/iteration", "first fit s", "peak MiB", "iterations", "NDCG@10", title=f"{name}: {shape}")
    for solver, one in case["solvers"].items():
        value, low, high = one["ndcg@10"]
        table.add_row(
            solver,
            f"{one['iteration']:.2f}",
            f"{one['first_fit']:.2f}",
            f"{one['peak_bytes'] / 2**20:,.0f}",
            str(one["iterations"]),
            f"{value:.4f} ({low:.4f} to {high:.4f})",
        )
    console.print(table)
    ours = case["solvers"]["conjugate"]["iteration"]
    console.print(
        f"conjugate takes {ours / case['solvers']['implicit']['iteration']:.2f} of implicit's time an iteration "
        f"(aim {AIM_IMPLICIT} at most)"
    )
    if (mllib := case["solvers"].get("mllib")) is not None:
        console.print(f"MLlib takes {mllib['iteration'] / ours:.1f} times ours (aim {AIM_MLLIB:.0f} at least)")
    if (two := case["solvers"].get("conjugate-2")) is not None:
        one = case["solvers"]["conjugate-1"]
        console.print(
            f"two executors take {two['iteration'] / one['iteration']:.2f} of one executor's time (aim about half)"
        )


if __name__ == "__main__":
    main()
