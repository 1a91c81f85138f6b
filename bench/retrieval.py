"""`make bench-retrieval`: lists of large catalogues, by scores of all items and by the index, and their memory.

Factors are trained by the product's kernel on synthetic tastes, since how items lie decides what an index finds, and
users are those of the same data. Each size is measured in a process of its own: the time of one list of 10 for one
user by the clock and by the processor, which other programs move less, and recall@10, the share of the exact list that
the index finds, users' own items left out: of all items, of half of them by chance, and of half of the categories.
Memory is what the process holds more after a step than before: of the catalogue (of Amazon's columns and lengths), of
the exact recommender with its ids, of the index.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import pyarrow as pa
from bench.train import taste
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from saran.api.catalogue import Catalogue
from saran.core.confidence import Interactions, Weights
from saran.core.entities import ACTION_CODES
from saran.core.foldin import FoldIn
from saran.core.recommender import History, Ranked, Ranker
from saran.core.retrieval import share_found
from saran.core.rows import rows_of, transposed
from saran.core.scorers import Factors
from saran.spark.als_kernel import solve_rows
from saran.spark.als_start import first_factors

AIM_RECALL: Final = 0.95
_K: Final = 10
_ALPHA: Final = 1.0
_REGULARIZATION: Final = 0.05
_MIB: Final = 2**20
_WORDS: Final = ("cotton", "wireless", "stainless", "replacement", "for", "with", "adjustable", "set", "of", "black")


def _trained(items: int, rank: int, iterations: int) -> tuple[Interactions, NDArray[np.float32]]:
    """Eight draws an item, five items a user: the data, and the item factors."""
    given = taste(8 * items, users=max(2000, items // 5), items=items)
    by_user = rows_of(given)
    by_item = transposed(by_user, int(given.items.max()) + 1)
    factors = first_factors(len(by_item.starts) - 1, rank, 1)
    users = np.zeros((len(by_user.starts) - 1, rank), dtype=np.float32)
    settings = (np.float32(_ALPHA), np.float32(_REGULARIZATION), 3)
    for _ in range(iterations):
        solve_rows(*by_user, factors, factors.T @ factors, *settings, users)
        solve_rows(*by_item, users, users.T @ users, *settings, factors)
    return given, factors


def _catalogue(count: int) -> pa.Table:
    """Items with the columns of Amazon's products, and texts as long as theirs."""
    rng = np.random.default_rng(3)
    words = pa.array(_WORDS)
    title = [words.take(pa.array(rng.integers(len(_WORDS), size=count))) for _ in range(14)]
    ids = pa.array([f"B0{row:08d}" for row in range(count)])
    join = pa.compute.binary_join_element_wise
    price = np.round(rng.lognormal(3, 1, count), 2)
    return pa.table(
        {
            "item_id": ids,
            "title": join(*title, " "),
            "categories": pa.array([[f"Category {code}"] for code in rng.integers(248, size=count).tolist()]),
            "image_url": join(pa.scalar("https://m.media-amazon.com/images/I/"), ids, pa.scalar("._AC_UL320_.jpg"), ""),
            "url": join(pa.scalar("https://www.amazon.com/dp/"), ids, ""),
            "price": price,
            "list_price": price,
            "rating": np.round(rng.uniform(1, 5, count), 1),
            "rating_count": rng.integers(1000, size=count),
        }
    )


class _Memory:
    """MiB that the process has come to hold, step by step."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}
        self._process = psutil.Process()
        self._before = self._now()

    def step(self, name: str) -> None:
        """What was added since the step before."""
        now = self._now()
        self.steps[name] = now - self._before
        self._before = now

    def _now(self) -> float:
        return float(self._process.memory_info().rss) / _MIB


def _histories(given: Interactions, item_ids: Sequence[str], count: int) -> list[History]:
    """Of users drawn from those with five items or more."""
    starts = np.r_[0, np.cumsum(np.bincount(given.users))]
    able = np.flatnonzero(np.diff(starts) >= 5)
    drawn = np.random.default_rng(7).choice(able, min(count, len(able)), replace=False)
    made = []
    for user in drawn.tolist():
        rows = given.items[starts[user] : starts[user + 1]].tolist()
        views = np.full(len(rows), ACTION_CODES["view"], dtype=np.int64)
        made.append(History([item_ids[row] for row in rows], views, np.full(len(rows), np.nan)))
    return made


def _timed(
    ranker: Ranker, histories: Sequence[History], allowed: NDArray[np.int64] | None
) -> tuple[list[Ranked], dict[str, float]]:
    answers, clock, processor = [], [], []
    for history in histories:
        start, used = time.perf_counter(), time.thread_time()
        answers += ranker.recommend([history], _K, allowed=None if allowed is None else [allowed])
        clock.append(1e3 * (time.perf_counter() - start))
        processor.append(1e3 * (time.thread_time() - used))
    return answers, {
        "p50_ms": float(np.percentile(clock, 50)),
        "p99_ms": float(np.percentile(clock, 99)),
        "cpu_ms": float(np.percentile(processor, 50)),
    }


def _case(task: tuple[int, int, int, int]) -> dict[str, Any]:
    """One size: `task` holds items, rank, iterations of training and users asked for."""
    items, rank, iterations, users = task
    given, factors = _trained(items, rank, iterations)
    count = len(factors)
    memory = _Memory()
    table = _catalogue(count)
    popularity = np.argsort(-np.bincount(given.items, minlength=count), kind="stable")
    catalogue = Catalogue(table, popularity)
    # As the API does.
    pa.default_memory_pool().release_unused()
    memory.step("catalogue")
    scorer = Factors(FoldIn(factors, alpha=_ALPHA, regularization=_REGULARIZATION))
    ranker = Ranker(table.column("item_id").to_pylist(), scorer, popularity, weights=Weights(), history_length=500)
    memory.step("exact recommender")
    memory.steps["factors"] = factors.nbytes / _MIB
    histories = _histories(given, ranker.item_ids, users)
    rng = np.random.default_rng(9)
    kind = _nearest(factors)
    filters = {
        "none": None,
        "half, by chance": np.flatnonzero(rng.random(count) < 0.5),
        "half, by category": np.flatnonzero(np.isin(kind, np.flatnonzero(rng.random(64) < 0.5))),
    }
    exact = {name: _timed(ranker, histories, allowed) for name, allowed in filters.items()}
    memory.step("work arrays")
    start, used = time.perf_counter(), time.process_time()
    made = ranker.build_search()
    build = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - used}
    memory.step("index")
    rows = []
    for name, allowed in filters.items():
        answers, times = exact[name]
        rows.append({"search": "exact", "filter": name, "recall": 1.0, **times})
        if made:
            found, times = _timed(ranker, histories, allowed)
            recall = share_found([answer.items for answer in found], [answer.items for answer in answers])
            rows.append({"search": "index", "filter": name, "recall": recall, **times})
    search = ranker.search
    return {
        "items": count,
        "rank": rank,
        "users": len(histories),
        "rows": rows,
        "memory_mib": memory.steps,
        "build": build,
        "index": None if search is None else {"probes": search.index.probes, "recall_on_samples": search.index.recall},
        "card_bytes": len(catalogue.card(0)),
    }


def _nearest(factors: NDArray[np.float32]) -> NDArray[np.int64]:
    """A category of 64 for each item, by the direction of its factor: as much against a taste as categories can be."""
    centres = factors[np.random.default_rng(6).choice(len(factors), 64, replace=False)]
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
    return np.concatenate([np.argmax(piece @ centres.T, axis=1) for piece in np.array_split(factors, 32)])


def _show(case: dict[str, Any], console: Console) -> None:
    title = f"{case['items']:,} items × {case['rank']}, {case['users']} users, lists of {_K}"
    table = Table("search", "filter", "p50 ms", "p99 ms", "CPU ms", f"recall@{_K}", title=title)
    for row in case["rows"]:
        table.add_row(
            row["search"],
            row["filter"],
            f"{row['p50_ms']:.2f}",
            f"{row['p99_ms']:.2f}",
            f"{row['cpu_ms']:.2f}",
            f"{row['recall']:.3f}",
        )
    console.print(table)
    held = ", ".join(f"{name} {mib:,.0f}" for name, mib in case["memory_mib"].items())
    console.print(f"MiB: {held}")
    if case["index"] is None:
        console.print("no index: it could not keep its recall and be quicker")
    else:
        build = case["build"]
        console.print(
            f"index built in {build['seconds']:.1f} s ({build['cpu_seconds']:.1f} s of processor); "
            f"aim: recall {AIM_RECALL} at least"
        )


def main() -> None:
    """Run each size, print, and save with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_400_000])
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=3, help="of the training that makes the factors")
    parser.add_argument("--users", type=int, default=200, help="for whom lists are made, one after the other")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    # As the API does; the processes below read it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    console = Console()
    cases = []
    for items in given.items:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            cases.append(pool.apply(_case, ((items, given.factors, given.iterations, given.users),)))
        _show(cases[-1], console)
    if given.json is not None:
        given.json.write_text(json.dumps(cases, indent=2) + "\n")


if __name__ == "__main__":
    main()
