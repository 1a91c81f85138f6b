"""Histories in, ranked items out: what the API serves and what the evaluation measures.

Needs no Spark and no database; a loaded model folder is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import interactions, strengths
from saran.core.foldin import FoldIn
from saran.core.model_folder import RecommenderModel
from saran.core.ranking import top_k

_SCORE_BLOCK: Final = 8_000_000
"""Scores computed at once (users × items): bounds the work array at 32 MB."""


class History(NamedTuple):
    """A user's events, oldest first, in three parallel sequences of length events."""

    item_ids: Sequence[str]
    actions: NDArray[np.int64]
    """`saran.core.entities.ACTION_CODES`."""
    values: NDArray[np.float64]
    """NaN where an event has no value."""


class Ranked(NamedTuple):
    """Item indices, best first, with their scores; `personal` is False for the popularity list."""

    items: NDArray[np.int64]
    scores: NDArray[np.float32]
    personal: bool


class Recommender:
    """Answers for users with a history and for users without one. Immutable, so threads can share it."""

    def __init__(self, model: RecommenderModel) -> None:
        manifest = model.manifest
        self.manifest = manifest
        self.item_ids: list[str] = model.items.column("item_id").to_pylist()
        self.index: dict[str, int] = {item_id: row for row, item_id in enumerate(self.item_ids)}
        self._factors_by_rank = np.ascontiguousarray(model.factors.T)
        self._popularity = model.popularity
        self._foldin = FoldIn(
            model.factors,
            alpha=float(manifest.parameters["alpha"]),
            regularization=float(manifest.parameters["regularization"]),
        )
        norms = np.linalg.norm(model.factors, axis=1, keepdims=True)
        self._directions: NDArray[np.float32] = (model.factors / np.where(norms > 0, norms, 1)).astype(np.float32)

    def recommend(self, histories: Sequence[History], k: int) -> list[Ranked]:
        """The k best items for each history, without the items in it.

        A history that holds nothing the model knows gets the popularity list, marked as not personal.
        """
        seen, items, strength = self._interactions(histories)
        factors = self._foldin.solve(items, strength)
        answers: list[Ranked] = []
        block = max(1, _SCORE_BLOCK // max(1, len(self.item_ids)))
        for start in range(0, len(histories), block):
            scores = factors[start : start + block] @ self._factors_by_rank
            for row, user in enumerate(range(start, min(start + block, len(histories)))):
                if not len(items[user]):
                    answers.append(self.popular(k, exclude=seen[user]))
                    continue
                scores[row, seen[user]] = -np.inf
                best = top_k(scores[row], k)
                answers.append(Ranked(best, scores[row, best], personal=True))
        return answers

    def popular(self, k: int, *, exclude: NDArray[np.int64] | None = None) -> Ranked:
        """The k most popular items without `exclude`; the score of rank r is 1 / r."""
        head = self._popularity[: k + (0 if exclude is None else len(exclude))]
        if exclude is not None:
            head = head[~np.isin(head, exclude)]
        head = head[:k]
        return Ranked(head, (1.0 / np.arange(1, len(head) + 1)).astype(np.float32), personal=False)

    def similar(self, item_id: str, k: int) -> Ranked:
        """The k items whose factors point most nearly the same way (cosine). Raises KeyError for an unknown item."""
        item = self.index[item_id]
        scores = self._directions @ self._directions[item]
        scores[item] = -np.inf
        # An item that nobody liked has a zero factor: it is like nothing, and nothing is like it.
        scores[~self._directions.any(axis=1)] = -np.inf
        best = top_k(scores, k if self._directions[item].any() else 0)
        return Ranked(best, scores[best], personal=False)

    def _interactions(
        self, histories: Sequence[History]
    ) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]], list[NDArray[np.float64]]]:
        """For each history: known items in it, items of interest, and their strengths."""
        lengths = np.array([len(history.item_ids) for history in histories], dtype=np.int64)
        lookup = self.index.get
        items = np.array([lookup(item, -1) for history in histories for item in history.item_ids], dtype=np.int64)
        users = np.repeat(np.arange(len(histories)), lengths)
        if len(items):
            strength = strengths(
                np.concatenate([history.actions for history in histories]),
                np.concatenate([history.values for history in histories]),
                self.manifest.weights,
            )
        else:
            strength = np.zeros(0)
        summed = interactions(users, items, strength, history=self.manifest.history_length)
        bounds = np.searchsorted(summed.users, np.arange(1, len(histories)))
        ends = np.cumsum(lengths)[:-1]
        seen = [np.unique(row[row >= 0]) for row in np.split(items, ends)]
        return seen, np.split(summed.items, bounds), np.split(summed.strengths, bounds)
