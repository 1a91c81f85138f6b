"""Implicit ALS by Spark tasks, each of which solves its block of users or of items with the compiled kernel.

Interactions are cut into blocks of users and, transposed, into blocks of items, once, as files in a folder or bucket
that driver and executors share. A half-step is one Spark job of a task a block: it opens its block, reads the other
side's factors, solves its rows, writes them, and answers with its share of the Gram matrix. So nothing but that
matrix (k × k) passes through the JVM, and the files of the last iteration are the checkpoint: a job that was killed
goes on after it when it is started again on the same data.
"""

from __future__ import annotations

import functools
import hashlib
import io
import logging
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyspark import RDD
from pyspark.sql import SparkSession

from saran.core.confidence import FloatArray, Interactions
from saran.core.rows import Rows, rows_of, transposed
from saran.core.s3 import Location, remove_folder
from saran.spark.als_parameters import ALSParameters
from saran.spark.als_start import first_factors

_log = logging.getLogger(__name__)

_USERS: Final = "users"
_ITEMS: Final = "items"

_ROW_COST: Final = 30
"""Cost of a row besides its interactions, in interactions: the steps multiply by the Gram matrix too."""

_LEFT_OVER_SECONDS: Final = 24 * 3600
"""After so long the files of a killed training are removed by the next one."""


def item_factors(
    spark: SparkSession, given: Interactions, parameters: ALSParameters, *, seed: int, checkpoints: Location
) -> NDArray[np.float32]:
    """Factors of items 0, 1, … of `given`, in which users and items are numbered without gaps; shape (items, k)."""
    folder = checkpoints / _digest(given, parameters, seed)
    _remove_left_overs(folder.parent)
    done = _last_iteration(folder, parameters)
    if done is None:
        _write_start(folder, given, parameters, seed)
        done = 0
    elif done:
        _log.info("going on after iteration %d, which an earlier training of the same data reached", done)
    gram = _gram(folder, _ITEMS, done, parameters.blocks)
    blocks = spark.sparkContext.parallelize(range(parameters.blocks), parameters.blocks)
    for iteration in range(done + 1, parameters.iterations + 1):
        start = time.perf_counter()
        gram = _half_step(blocks, _Task(folder, _USERS, iteration, parameters, gram))
        gram = _half_step(blocks, _Task(folder, _ITEMS, iteration, parameters, gram))
        for side in (_USERS, _ITEMS):
            remove_folder(_iteration_folder(folder, side, iteration - 1))
        _log.info("iteration %d of %d: %.2f s", iteration, parameters.iterations, time.perf_counter() - start)
    factors = _read_factors(folder, _ITEMS, parameters.iterations, parameters.blocks)
    remove_folder(folder)
    return factors


class _Task(NamedTuple):
    """What a task needs to know; it is sent with it."""

    folder: Location
    side: str
    iteration: int
    parameters: ALSParameters
    gram: FloatArray
    """Of the other side's newest factors."""


def _half_step(blocks: RDD[int], task: _Task) -> FloatArray:
    """Solve the blocks of a side; gives the Gram matrix of its new factors."""
    return _sum(blocks.map(functools.partial(_solve_block, task)).collect())


def _solve_block(task: _Task, block: int) -> FloatArray:
    # In the driver it would only cost the second that numba takes to load.
    from saran.spark.als_kernel import solve_rows  # noqa: PLC0415

    parameters = task.parameters
    rows = _open_rows(task.folder / task.side, block)
    # Users come first in an iteration, and have the items of the last one.
    other, newest = (_USERS, task.iteration) if task.side == _ITEMS else (_ITEMS, task.iteration - 1)
    others = _read_factors(task.folder, other, newest, parameters.blocks)
    before = _factor_file(task.folder, task.side, task.iteration - 1, block)
    empty = (len(rows.starts) - 1, parameters.rank)
    solved: NDArray[np.float32] = _load(before).copy() if before.exists() else np.zeros(empty, dtype=np.float32)
    solve_rows(
        *rows,
        others,
        task.gram.astype(np.float32),
        np.float32(parameters.alpha),
        np.float32(parameters.regularization),
        parameters.steps,
        solved,
    )
    _save(_factor_file(task.folder, task.side, task.iteration, block), solved)
    return _own_gram(solved)


def _own_gram(factors: NDArray[np.float32]) -> FloatArray:
    wide = factors.astype(np.float64)
    return wide.T @ wide


def _gram(folder: Location, side: str, iteration: int, blocks: int) -> FloatArray:
    return _sum([_own_gram(_load(_factor_file(folder, side, iteration, block))) for block in range(blocks)])


def _sum(grams: list[FloatArray]) -> FloatArray:
    """In the order of the blocks, so that the last bits are the same each time."""
    total: FloatArray = np.sum(grams, axis=0)
    return total


def _digest(given: Interactions, parameters: ALSParameters, seed: int) -> str:
    digest = hashlib.sha256(f"{parameters.model_dump_json()} {seed} {len(given.users)}".encode())
    for column in given:
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()[:32]


def _write_start(folder: Location, given: Interactions, parameters: ALSParameters, seed: int) -> None:
    """The blocks of both sides, and random item factors as iteration 0."""
    remove_folder(folder)
    items = int(given.items.max()) + 1
    by_user = rows_of(given)
    by_item = transposed(by_user, items)
    _write_rows(folder / _USERS, by_user, parameters.blocks)
    bounds = _write_rows(folder / _ITEMS, by_item, parameters.blocks)
    first = first_factors(items, parameters.rank, seed)
    for block in range(parameters.blocks):
        _save(_factor_file(folder, _ITEMS, 0, block), first[bounds[block] : bounds[block + 1]])


def _write_rows(folder: Location, rows: Rows, blocks: int) -> NDArray[np.int64]:
    """Cut `rows` into blocks of about equal cost; block b holds rows bounds[b] … bounds[b + 1] - 1."""
    folder.mkdir(parents=True)
    count = len(rows.starts) - 1
    cost = rows.starts + _ROW_COST * np.arange(count + 1)
    bounds: NDArray[np.int64] = np.searchsorted(cost, cost[-1] * np.arange(blocks + 1) / blocks)
    for block in range(blocks):
        starts = rows.starts[bounds[block] : bounds[block + 1] + 1]
        inside = slice(starts[0], starts[-1])
        parts = Rows(starts - starts[0], rows.columns[inside], rows.strengths[inside])
        for name, part in parts._asdict().items():
            _save(folder / f"{block}-{name}.npy", part)
    return bounds


@functools.lru_cache(maxsize=4)
def _open_rows(folder: Location, block: int) -> Rows:
    """A block, which a worker keeps: on disk its pages stay in the machine's cache, from a bucket it comes once."""
    return Rows(*(_load(folder / f"{block}-{name}.npy") for name in Rows._fields))


def _iteration_folder(folder: Location, side: str, iteration: int) -> Location:
    return folder / f"{side}-{iteration:04}"


def _factor_file(folder: Location, side: str, iteration: int, block: int) -> Location:
    return _iteration_folder(folder, side, iteration) / f"{block}.npy"


def _read_factors(folder: Location, side: str, iteration: int, blocks: int) -> NDArray[np.float32]:
    return np.concatenate([_load(_factor_file(folder, side, iteration, block)) for block in range(blocks)])


def _load(file: Location) -> NDArray[Any]:
    if isinstance(file, Path):
        # Mapped as private rather than read-only: the kernel is compiled for one kind of array.
        return np.asarray(np.load(file, mmap_mode="c"))
    array: NDArray[Any] = np.load(io.BytesIO(file.read_bytes()))
    return array


def _save(file: Location, array: NDArray[Any]) -> None:
    """Write at once: a file that is there is whole, also where a task ran twice."""
    if not isinstance(file, Path):
        content = io.BytesIO()
        np.save(content, array)
        file.write_bytes(content.getvalue())
        return
    file.parent.mkdir(exist_ok=True)
    partial = file.with_name(f"{file.name}.{time.time_ns()}.partial")
    with partial.open("wb") as stream:
        np.save(stream, array)
    partial.replace(file)


def _last_iteration(folder: Location, parameters: ALSParameters) -> int | None:
    """The last iteration of which all factors are in `folder`; None without a start."""
    for iteration in range(parameters.iterations, -1, -1):
        sides = (_ITEMS, _USERS) if iteration else (_ITEMS,)
        wanted = (_factor_file(folder, side, iteration, block) for side in sides for block in range(parameters.blocks))
        if all(file.exists() for file in wanted):
            return iteration
    return None


def _remove_left_overs(folder: Location) -> None:
    """Of trainings that were killed and not run again; in a bucket that is a life-cycle rule's work."""
    if isinstance(folder, Path):
        for old in folder.glob("*"):
            if time.time() - old.stat().st_mtime > _LEFT_OVER_SECONDS:
                remove_folder(old)
