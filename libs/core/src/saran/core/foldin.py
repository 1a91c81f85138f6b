"""Fold-in: a user's factor from the user's own history, without training again.

For item factors Y (items × k), the factor of a user with interactions u is the exact half-step of implicit
ALS (Hu, Koren, Volinsky 2008), with the regularisation scaled by the number of interactions as Spark's MLlib
does (Zhou et al.: "Large-Scale Parallel Collaborative Filtering for the Netflix Prize", 2008):

    x = (YᵀY + Yᵤᵀ diag(alpha·s) Yᵤ + lambda·n·I)⁻¹ Yᵤᵀ (1 + alpha·s)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_CHUNK: Final = 256
"""Users solved together: bounds the padded work array at chunk × longest history × k."""


class FoldIn:
    """Solves user factors against fixed item factors.

    `factors` has shape (items, k), float32. `alpha` turns a strength into confidence, `regularization` is
    multiplied by the number of a user's interactions.
    """

    def __init__(self, factors: NDArray[np.float32], *, alpha: float, regularization: float) -> None:
        self.factors = factors
        self.alpha = alpha
        self.regularization = regularization
        wide = factors.astype(np.float64)
        self._gram: NDArray[np.float64] = wide.T @ wide

    def solve(
        self, items: Sequence[NDArray[np.int64]], strengths: Sequence[NDArray[np.float64]]
    ) -> NDArray[np.float32]:
        """Factors of several users, shape (users, k).

        `items[u]` are distinct item indices of user u and `strengths[u]` their positive strengths, of one
        length. A user without interactions gets the zero vector.
        """
        rank = self.factors.shape[1]
        solved = np.zeros((len(items), rank), dtype=np.float32)
        # Users of like length share a chunk, so that padding to the longest wastes little.
        known = sorted((u for u in range(len(items)) if len(items[u])), key=lambda u: len(items[u]))
        for start in range(0, len(known), _CHUNK):
            chunk = known[start : start + _CHUNK]
            solved[chunk] = self._solve_chunk([items[u] for u in chunk], [strengths[u] for u in chunk])
        return solved

    def _solve_chunk(
        self, items: Sequence[NDArray[np.int64]], strengths: Sequence[NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        lengths = np.array([len(row) for row in items])
        width = int(lengths.max())
        padded = np.zeros((len(items), width), dtype=np.int64)
        confidence = np.zeros((len(items), width))  # alpha·s; 0 in the padding adds nothing to the matrix
        target = np.zeros((len(items), width))
        for row, (indices, strength) in enumerate(zip(items, strengths, strict=True)):
            padded[row, : len(indices)] = indices
            confidence[row, : len(indices)] = self.alpha * strength
            target[row, : len(indices)] = 1.0 + self.alpha * strength
        history = self.factors[padded].astype(np.float64)
        matrix = self._gram + history.transpose(0, 2, 1) @ (confidence[:, :, None] * history)
        diagonal = np.arange(matrix.shape[1])
        matrix[:, diagonal, diagonal] += (self.regularization * lengths)[:, None]
        side = np.einsum("uw,uwk->uk", target, history)
        return np.linalg.solve(matrix, side[:, :, None])[:, :, 0]
