"""How alike the tastes of users are: the cosine of their factors, each folded in from the user's own events.

A factor is the sum of what each of a user's items adds to it (`FoldIn.parts`), and so is the cosine: with x = Σ pᵢ,
item i carries pᵢ·y / (|x||y|) of the cosine of x and y.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import FloatArray, IntArray, Interactions
from saran.core.scorers import Folding

Vectors = NDArray[np.float32]


class Near(NamedTuple):
    """How alike two users are, and the items (indices) that both liked, with what they carry of it."""

    cosine: float
    shared: IntArray
    shares: FloatArray


def directions(folding: Folding, given: Interactions, users: int) -> Vectors:
    """Factors of users 0 … users - 1 at length 1, shape (users, k); zeros for one of whom nothing is known."""
    factors = folding.solve(given, users)
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    found: Vectors = np.divide(factors, lengths, out=np.zeros_like(factors), where=lengths > 0)
    return found


def near(folding: Folding, mine: Interactions, others: Interactions, users: int) -> list[Near]:
    """How alike one user is to each of users 0 … users - 1. Who likes nothing that is known is like nobody: 0."""
    parts = folding.parts(mine) if len(mine.items) else np.zeros((0, folding.factors.shape[1]))
    length = float(np.linalg.norm(parts.sum(axis=0)))
    if length == 0:
        return [Near(0.0, mine.items[:0], mine.strengths[:0])] * users
    carried = parts @ directions(folding, others, users).T / length
    bounds = np.searchsorted(others.users, np.arange(users + 1))
    found = []
    for user in range(users):
        both = np.isin(mine.items, others.items[bounds[user] : bounds[user + 1]])
        found.append(Near(float(carried[:, user].sum()), mine.items[both], carried[both, user]))
    return found
