"""The k best of many scores."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

_BLOCK: Final = 128
"""Scores that share one maximum in the first pass."""


def top_k(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Indices of the k highest scores, best first, equal scores by smaller index.

    `scores` has shape (items,); -inf marks what may not be returned, so fewer than k can come back.
    """
    return top_k_rows(scores[None, :], k)[0]


def top_k_rows(scores: NDArray[np.float32], k: int) -> list[NDArray[np.int64]]:
    """`top_k` of each row of `scores`, shape (rows, items), in one pass over all rows."""
    rows, count = scores.shape
    k = min(k, count)
    if k <= 0 or not rows:
        return [np.zeros(0, dtype=np.int64)] * rows
    bound = lower_bounds(scores, k)
    flat = np.flatnonzero((scores >= bound[:, None]) & (scores > -np.inf))
    row, column = np.divmod(flat, count)
    order = np.lexsort((column, -scores.ravel()[flat], row))
    column = column[order]
    starts = np.searchsorted(row, np.arange(rows + 1))
    return [column[start : min(start + k, stop)] for start, stop in pairwise(starts)]


def lower_bounds(scores: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """A value for each row that at least k of its scores reach: the k-th highest of the blocks' maxima."""
    rows, count = scores.shape
    whole = count // _BLOCK * _BLOCK
    maxima = scores
    if whole // _BLOCK >= k:
        maxima = scores[:, :whole].reshape(rows, -1, _BLOCK).max(axis=2)
    place = maxima.shape[1] - k
    bound: NDArray[np.float32] = np.partition(maxima, place, axis=1)[:, place]
    return bound
