"""Fold-in: a user's factor from the user's own history, without training again.

For item factors Y (items × k), the factor of a user with interactions u is the exact half-step of implicit
ALS (Hu, Koren, Volinsky 2008), with the regularisation scaled by the number of interactions as Spark's MLlib
does (Zhou et al.: "Large-Scale Parallel Collaborative Filtering for the Netflix Prize", 2008):

    x = (YᵀY + Yᵤᵀ C Yᵤ + lambda·n·I)⁻¹ Yᵤᵀ (1 + c),    c = alpha·s, C = diag(c)

A user with fewer interactions than factors is solved in the dual, an n × n system instead of k × k. With
YᵀY = Q Λ Qᵀ, D = Λ + lambda·n·I and W = C^½ Yᵤ Q, the identity (D + WᵀW)⁻¹Wᵀ = D⁻¹Wᵀ(I + W D⁻¹ Wᵀ)⁻¹ gives

    x = Q D⁻¹ Wᵀ (I + W D⁻¹ Wᵀ)⁻¹ (1 + c)/√c
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import FloatArray, IntArray, Interactions

_CHUNK_VALUES: Final = 4_000_000
"""Bound of the padded work array of users solved together (users × longest history × k): 32 MB."""

_DUAL_CONDITION: Final = 1e-9
"""Smallest D, relative to its largest, that the dual divides by; below it the primal is the accurate one."""


_GRAM_PIECE: Final = 65_536
"""Items whose share of the Gram matrix is found at once."""


class FoldIn:
    """Solves user factors against fixed item factors.

    `factors` has shape (items, k), float32. `alpha` turns a strength into confidence, `regularization` is
    multiplied by the number of a user's interactions.
    """

    def __init__(self, factors: NDArray[np.float32], *, alpha: float, regularization: float) -> None:
        self.factors = factors
        self.alpha = alpha
        self.regularization = regularization
        self._gram: FloatArray = _gram(factors)
        spectrum, basis = np.linalg.eigh(self._gram)
        self._spectrum: FloatArray = np.maximum(spectrum, 0.0)
        self._basis: FloatArray = basis

    def solve(self, given: Interactions, users: int) -> NDArray[np.float32]:
        """Factors of users 0 … users - 1, shape (users, k).

        `given` holds distinct item indices and positive strengths by user, as `confidence.interactions` makes
        them. A user without interactions gets the zero vector.
        """
        rank = self.factors.shape[1]
        solved = np.zeros((users, rank), dtype=np.float32)
        lengths = np.bincount(given.users, minlength=users)
        starts = np.cumsum(lengths) - lengths
        # Users of like length share a chunk, so that padding to the longest wastes little.
        known = np.argsort(lengths, kind="stable")[np.count_nonzero(lengths == 0) :]
        dual = self._duals(lengths[known])
        for group, solver in ((known[:dual], self._dual), (known[dual:], self._primal)):
            for chunk in _chunks(group, lengths, rank):
                solved[chunk] = solver(_padded(given, starts[chunk], lengths[chunk]))
        return solved

    def parts(self, given: Interactions) -> FloatArray:
        """What each interaction of one user adds to the user's factor, shape (interactions, k).

        The rows sum to what `solve` gives. With W = (YᵀY + Yᵤᵀ C Yᵤ + lambda·n·I)⁻¹, row i is W yᵢ (1 + cᵢ), and its
        product with another item's factor is what i carries of that item's score (section 5 of the paper).
        """
        history = self.factors[given.items].astype(np.float64)
        confidence = self.alpha * given.strengths
        matrix = self._gram + history.T @ (confidence[:, None] * history)
        matrix[np.diag_indices_from(matrix)] += self.regularization * len(history)
        return np.asarray(np.linalg.solve(matrix, ((1.0 + confidence)[:, None] * history).T).T, dtype=np.float64)

    def _duals(self, lengths: IntArray) -> int:
        """How many of the users, given by ascending length, the dual solves faster and as exactly."""
        if self.alpha <= 0 or not len(lengths):
            return 0
        smallest = self._spectrum.min() + self.regularization * lengths
        exact = smallest > _DUAL_CONDITION * (self._spectrum.max() + self.regularization * lengths)
        fit = exact & (lengths < self.factors.shape[1])
        return len(fit) if fit.all() else int(np.argmin(fit))

    def _dual(self, rows: _Padded) -> FloatArray:
        confidence = self.alpha * rows.strengths
        root = np.sqrt(confidence)
        rotated = self.factors[rows.items].astype(np.float64) @ self._basis
        weighted = root[:, :, None] * rotated
        divided = weighted / (self._spectrum + self.regularization * rows.lengths[:, None])[:, None, :]
        kernel = divided @ weighted.transpose(0, 2, 1)
        diagonal = np.arange(kernel.shape[1])
        kernel[:, diagonal, diagonal] += 1.0
        side = np.divide(1.0 + confidence, root, out=np.zeros_like(root), where=root > 0)
        weights = np.linalg.solve(kernel, side[:, :, None])
        return (weights.transpose(0, 2, 1) @ divided)[:, 0, :] @ self._basis.T

    def _primal(self, rows: _Padded) -> FloatArray:
        confidence = self.alpha * rows.strengths
        history = self.factors[rows.items].astype(np.float64)
        matrix = self._gram + history.transpose(0, 2, 1) @ (confidence[:, :, None] * history)
        diagonal = np.arange(matrix.shape[1])
        matrix[:, diagonal, diagonal] += (self.regularization * rows.lengths)[:, None]
        side = np.where(rows.strengths > 0, 1.0 + confidence, 0.0)[:, None, :] @ history
        return np.asarray(np.linalg.solve(matrix, side.transpose(0, 2, 1))[:, :, 0], dtype=np.float64)


def _gram(factors: NDArray[np.float32]) -> FloatArray:
    """YᵀY in float64, piece by piece: all factors of a large catalogue as float64 would be the most memory of all."""
    gram = np.zeros((factors.shape[1], factors.shape[1]))
    for start in range(0, len(factors), _GRAM_PIECE):
        wide = factors[start : start + _GRAM_PIECE].astype(np.float64)
        gram += wide.T @ wide
    return gram


class _Padded(NamedTuple):
    """Interactions of some users as rows of one width, shape (users, width); strength 0 is padding."""

    items: IntArray
    strengths: FloatArray
    lengths: IntArray


def _padded(given: Interactions, starts: IntArray, lengths: IntArray) -> _Padded:
    place = np.arange(int(lengths.max()))
    inside = place < lengths[:, None]
    source = np.where(inside, starts[:, None] + place, 0)
    return _Padded(given.items[source], np.where(inside, given.strengths[source], 0.0), lengths)


def _chunks(group: IntArray, lengths: IntArray, rank: int) -> Iterator[IntArray]:
    """Parts of `group`, users by ascending length, that fit the work array; at least one user each."""
    start = 0
    while start < len(group):
        values = lengths[group[start:]] * np.arange(1, len(group) - start + 1) * rank
        take = max(1, int(np.searchsorted(values, _CHUNK_VALUES, side="right")))
        yield group[start : start + take]
        start += take
