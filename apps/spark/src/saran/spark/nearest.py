"""The nearest items of each item, found by Spark tasks that each take some of the items, or in this process."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from saran.core.rows import Rows, transposed
from saran.spark.neighbour_kernel import nearest_items

_BLOCKS_A_CORE: Final = 4
_ALONE: Final = 500_000_000
"""Work (pairs of items that share a feature, counted by feature) below which tasks cost more than they save."""

Found = tuple[NDArray[np.int32], NDArray[np.float32]]


def nearest(spark: SparkSession | None, by_item: Rows, by_feature: Rows, *, shrink: float, most: int) -> Rows:
    """The `most` nearest items of each item by shrunk cosine, best first (`neighbour_kernel.nearest_items`).

    `by_item` and `by_feature` are one sparse matrix with positive weights, compressed both ways. Nothing of items ×
    items is held: each task has the matrix, and answers with items of its own × `most`.
    """
    items = len(by_item.starts) - 1
    most = min(most, items)
    # What an item costs: the items of its features.
    lengths = np.diff(by_feature.starts)
    cost = np.concatenate([[0], np.cumsum(lengths[by_item.columns])])[by_item.starts]
    if spark is None or not items or cost[-1] < _ALONE:
        found = [_block(by_item, by_feature, shrink, most, 0, items)]
    else:
        context = spark.sparkContext
        blocks = context.defaultParallelism * _BLOCKS_A_CORE
        cuts = np.searchsorted(cost, np.linspace(0, cost[-1], blocks + 1)[1:-1])
        bounds = list(pairwise(np.unique(np.concatenate([[0], cuts, [items]])).tolist()))
        shared = context.broadcast((by_item, by_feature))
        found = (
            context.parallelize(bounds, len(bounds))
            .map(lambda bound: _block(*shared.value, shrink, most, *bound))
            .collect()
        )
        shared.unpersist()
    near = np.concatenate([one for one, _ in found])
    weights = np.concatenate([one for _, one in found])
    filled = weights > 0
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(filled.sum(axis=1))])
    return Rows(starts, near[filled], weights[filled])


def co_interaction(spark: SparkSession | None, by_user: Rows, items: int, *, shrink: float, most: int) -> Rows:
    """The nearest items by their users, each pair of a user and an item counting once."""
    same = by_user._replace(strengths=np.ones(len(by_user.columns), dtype=np.float32))
    return nearest(spark, transposed(same, items), same, shrink=shrink, most=most)


def _block(by_item: Rows, by_feature: Rows, shrink: float, most: int, first: int, last: int) -> Found:
    near = np.zeros((last - first, most), dtype=np.int32)
    weights = np.zeros((last - first, most), dtype=np.float32)
    nearest_items(first, last, *by_item, *by_feature, shrink, most, near, weights)
    return near, weights
