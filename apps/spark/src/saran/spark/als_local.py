"""Implicit ALS in this process: the same kernel as in Spark's tasks (`saran.spark.als_blocks`), in one block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import Interactions
from saran.core.rows import Rows, rows_of, transposed
from saran.spark.als_kernel import solve_rows
from saran.spark.als_parameters import ALSParameters
from saran.spark.als_start import first_factors


def item_factors(given: Interactions, parameters: ALSParameters, *, items: int, seed: int) -> NDArray[np.float32]:
    """Factors of items 0 … items - 1, shape (items, k); those of items without an interaction are zero."""
    by_user = rows_of(given)
    by_item = transposed(by_user, items)
    item_side = first_factors(items, parameters.rank, seed)
    user_side = np.zeros((len(by_user.starts) - 1, parameters.rank), dtype=np.float32)
    for _ in range(parameters.iterations):
        _solve(by_user, item_side, user_side, parameters)
        _solve(by_item, user_side, item_side, parameters)
    return item_side


def _solve(rows: Rows, other: NDArray[np.float32], solved: NDArray[np.float32], parameters: ALSParameters) -> None:
    wide = other.astype(np.float64)
    alpha, regularization = np.float32(parameters.alpha), np.float32(parameters.regularization)
    solve_rows(*rows, other, (wide.T @ wide).astype(np.float32), alpha, regularization, parameters.steps, solved)
