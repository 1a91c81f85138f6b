"""Item-to-item models fitted on one machine: EASE where a dense matrix of items fits, shrunk cosine everywhere."""

from __future__ import annotations

from typing import Final

import numpy as np

from saran.core.confidence import Interactions
from saran.core.errors import SaranError
from saran.core.rows import rows_of
from saran.core.scorers import ItemWeights, Neighbours
from saran.spark.nearest import co_interaction

MOST_DENSE_ITEMS: Final = 20_000
"""EASE holds two matrices of items × items in float64: 6.4 GB at this size."""

_USERS_AT_ONCE: Final = 4_000_000
"""Cells (users × items) of the dense rows that the Gram matrix is added up from: 16 MB."""


def fit_ease(given: Interactions, items: int, *, regularization: float) -> ItemWeights:
    """The closed-form linear autoencoder with a zero diagonal, on pairs as 1 and all else as 0.

    With the Gram matrix G = XᵀX and P = (G + regularization·I)⁻¹, the weights are B = -P / diag(P) with B's diagonal
    0. Steck: "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. Raises SaranError for more than
    `MOST_DENSE_ITEMS` items.
    """
    if items > MOST_DENSE_ITEMS:
        raise SaranError(
            f"EASE inverts a matrix of items × items, and {items:,} items are more than {MOST_DENSE_ITEMS:,}",
            fix="leave ease out of --models; item-knn has no such bound",
        )
    gram = _gram(given, items)
    diagonal = np.arange(items)
    gram[diagonal, diagonal] += regularization
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    weights[diagonal, diagonal] = 0.0
    return ItemWeights(weights.astype(np.float32))


def fit_item_knn(given: Interactions, items: int, *, neighbours: int, shrink: float) -> Neighbours:
    """Each item gets the votes of its nearest items, by shrunk cosine of their users.

    Sarwar et al.: "Item-based Collaborative Filtering Recommendation Algorithms", WWW 2001; the shrinkage, which
    distrusts similarities of few users, after Bell, Koren: "Improved Neighborhood-based Collaborative Filtering", 2007.
    """
    return Neighbours(co_interaction(None, rows_of(given), items, shrink=shrink, most=neighbours))


def _gram(given: Interactions, items: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """XᵀX of the binary matrix of users and items; counts stay exact in float32 blocks."""
    gram = np.zeros((items, items))
    rows = rows_of(given)
    block = max(1, _USERS_AT_ONCE // max(1, items))
    for start in range(0, len(rows.starts) - 1, block):
        starts = rows.starts[start : start + block + 1]
        dense = np.zeros((len(starts) - 1, items), dtype=np.float32)
        dense[np.repeat(np.arange(len(dense)), np.diff(starts)), rows.columns[starts[0] : starts[-1]]] = 1.0
        gram += dense.T @ dense
    return gram
