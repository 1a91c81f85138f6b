"""Nearest items against plain arithmetic, and the same in Spark's tasks as in one process."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from pyspark.sql import SparkSession

from saran.core.rows import Rows, transposed
from saran.spark import nearest as module
from saran.spark.nearest import co_interaction, nearest


def rows(dense: np.ndarray) -> Rows:
    row, column = np.nonzero(dense)
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(dense, axis=1))])
    return Rows(starts, column.astype(np.int32), dense[row, column].astype(np.float32))


def by_hand(dense: np.ndarray, shrink: float, most: int) -> list[list[int]]:
    """Of each row: the others with a product above 0, by shrunk cosine, equal ones by index."""
    product, squares = dense @ dense.T, (dense**2).sum(axis=1)
    answer = []
    for item in range(len(dense)):
        likeness = product[item] / (np.sqrt(squares[item] * squares) + shrink + 1e-300)
        others = [other for other in range(len(dense)) if other != item and product[item, other] > 0]
        answer.append(sorted(others, key=lambda other: (-likeness[other], other))[:most])
    return answer


def listed(found: Rows) -> list[list[int]]:
    return [list(found.columns[start:stop]) for start, stop in pairwise(found.starts)]


def some(weighted: bool) -> np.ndarray:
    rng = np.random.default_rng(4)
    dense = (rng.random((60, 40)) < 0.15).astype(float)
    dense[7] = 0
    return dense * rng.integers(1, 5, size=dense.shape) if weighted else dense


@pytest.mark.parametrize("weighted", [True, False])
def test_the_nearest_are_those_of_the_definition(weighted: bool) -> None:
    matrix = rows(some(weighted))
    found = nearest(None, matrix, transposed(matrix, 40), shrink=1.5, most=6)
    assert listed(found) == by_hand(some(weighted), 1.5, 6)
    first = found.columns[0]
    dense = some(weighted)
    cosine = dense[0] @ dense[first] / (np.sqrt((dense[0] ** 2).sum() * (dense[first] ** 2).sum()) + 1.5)
    assert found.strengths[0] == pytest.approx(cosine, rel=1e-6)


def test_strengths_do_not_count_between_users_and_items() -> None:
    users = rows(some(weighted=True).T)
    found = co_interaction(None, users, 60, shrink=1.5, most=6)
    assert listed(found) == by_hand(some(weighted=False), 1.5, 6)


@pytest.mark.spark
def test_tasks_find_what_one_process_finds(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = rows(some(weighted=True))
    alone = nearest(None, matrix, transposed(matrix, 40), shrink=1.5, most=6)
    monkeypatch.setattr(module, "_ALONE", 0)
    for one, other in zip(nearest(spark, matrix, transposed(matrix, 40), shrink=1.5, most=6), alone, strict=True):
        np.testing.assert_array_equal(one, other)


def test_more_neighbours_than_items_and_no_items_at_all() -> None:
    matrix = rows(np.ones((3, 1)))
    assert listed(nearest(None, matrix, transposed(matrix, 1), shrink=0, most=99)) == [[1, 2], [0, 2], [0, 1]]
    nothing = rows(np.zeros((2, 4)))
    assert listed(nearest(None, nothing, transposed(nothing, 4), shrink=0, most=3)) == [[], []]
