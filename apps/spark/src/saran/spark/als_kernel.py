"""Compiled inner loops of implicit ALS. Everything here works on plain arrays, one core, and knows no Spark.

A row (a user or an item) with interactions u, confidences 1 + c and other side's factors Y is the solution of

    (YᵀY + Yᵤᵀ C Yᵤ + lambda·n·I) x = Yᵤᵀ (1 + c)

as in `saran.core.foldin`. It is found by a few steps of conjugate gradients from the row's last value, which never
builds the k × k matrix of a row: Takács, Pilászy, Tikk: "Applications of the Conjugate Gradient Method for Implicit
Feedback Collaborative Filtering", RecSys 2011.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

# Sums may be reordered, which is what lets the loops use vector instructions; NaN and infinity keep their meaning.
_FAST: dict[str, Any] = {"cache": True, "nogil": True, "fastmath": {"reassoc", "contract", "nsz", "arcp"}}


@numba.njit(**_FAST)
def _right_side(
    columns: NDArray[np.int32],
    confidence: NDArray[np.float32],
    other: NDArray[np.float32],
    side: NDArray[np.float32],
) -> None:
    """side = Yᵤᵀ (1 + c)"""
    rank = len(side)
    side[:] = 0
    for n in range(len(columns)):
        factor = other[columns[n]]
        weight = np.float32(1) + confidence[n]
        for i in range(rank):
            side[i] += weight * factor[i]


@numba.njit(**_FAST)
def _times_matrix(
    columns: NDArray[np.int32],
    confidence: NDArray[np.float32],
    other: NDArray[np.float32],
    gram: NDArray[np.float32],
    penalty: np.float32,
    x: NDArray[np.float32],
    product: NDArray[np.float32],
) -> None:
    """product = matrix @ x"""
    rank = len(x)
    for i in range(rank):
        product[i] = penalty * x[i]
    for j in range(rank):
        for i in range(rank):
            product[i] += gram[j, i] * x[j]
    for n in range(len(columns)):
        factor = other[columns[n]]
        dot = np.float32(0)
        for i in range(rank):
            dot += factor[i] * x[i]
        weight = confidence[n] * dot
        for i in range(rank):
            product[i] += weight * factor[i]


@numba.njit(**_FAST)
def _dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> np.float32:
    total = np.float32(0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@numba.njit(**_FAST)
def solve_rows(
    starts: NDArray[np.int64],
    columns: NDArray[np.int32],
    strengths: NDArray[np.float32],
    other: NDArray[np.float32],
    gram: NDArray[np.float32],
    alpha: np.float32,
    regularization: np.float32,
    steps: int,
    solved: NDArray[np.float32],
) -> None:
    """Improve `solved`, shape (rows, k), by `steps` steps of conjugate gradients; rows without interaction become 0.

    `other` (others, k) are the other side's factors, `gram` is otherᵀ @ other. k steps solve exactly, but for
    rounding.
    """
    rank = solved.shape[1]
    residual = np.empty(rank, dtype=np.float32)
    direction = np.empty(rank, dtype=np.float32)
    product = np.empty(rank, dtype=np.float32)
    for row in range(len(starts) - 1):
        x = solved[row]
        first, last = starts[row], starts[row + 1]
        if first == last:
            x[:] = 0
            continue
        mine = columns[first:last]
        confidence = alpha * strengths[first:last]
        penalty = np.float32(regularization * (last - first))
        _right_side(mine, confidence, other, residual)
        _times_matrix(mine, confidence, other, gram, penalty, x, product)
        for i in range(rank):
            residual[i] -= product[i]
            direction[i] = residual[i]
        left = _dot(residual, residual)
        for _ in range(steps):
            if left < np.float32(1e-20):
                break
            _times_matrix(mine, confidence, other, gram, penalty, direction, product)
            length = left / _dot(direction, product)
            for i in range(rank):
                x[i] += length * direction[i]
                residual[i] -= length * product[i]
            rest = _dot(residual, residual)
            turn = rest / left
            for i in range(rank):
                direction[i] = residual[i] + turn * direction[i]
            left = rest
