"""Histories in, ranked items out: what the API serves and what the evaluation measures.

Needs no Spark and no database; a loaded model folder is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import IntArray, Interactions, Weights, interactions, strengths
from saran.core.foldin import FoldIn
from saran.core.model_folder import Manifest, ModelError, RecommenderModel
from saran.core.ranking import top_k, top_k_rows
from saran.core.scorers import Factors, Scorer, Scores

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


class Ranker:
    """Lists by any scorer, for users with a history and for users without one. Immutable, so threads can share it."""

    def __init__(
        self,
        item_ids: Sequence[str],
        scorer: Scorer,
        popularity: NDArray[np.int64],
        *,
        weights: Weights,
        history_length: int,
    ) -> None:
        """`popularity` holds all item indices, most popular first: the list for those whom `scorer` does not know."""
        self.item_ids: list[str] = list(item_ids)
        self.index: dict[str, int] = {item_id: row for row, item_id in enumerate(self.item_ids)}
        self._scorer = scorer
        self._popularity = popularity
        self._weights = weights
        self._history_length = history_length

    def recommend(
        self, histories: Sequence[History], k: int, *, allowed: Sequence[NDArray[np.int64]] | None = None
    ) -> list[Ranked]:
        """The k best items for each history, without the items in it.

        A history that holds nothing the model learnt from gets the popularity list, marked as not personal. `allowed`
        holds the item indices that each list is made of; all items when None.
        """
        users, items = self._events(histories)
        liked = self._liked(histories, users, items)
        known = items >= 0
        users, items = users[known], items[known]
        bounds = np.searchsorted(users, np.arange(len(histories) + 1))
        likes = np.searchsorted(liked.users, np.arange(len(histories) + 1))
        answers: list[Ranked] = []
        block = max(1, _SCORE_BLOCK // max(1, len(self.item_ids)))
        for start in range(0, len(histories), block):
            stop = min(start + block, len(histories))
            mine = slice(likes[start], likes[stop])
            given = Interactions(liked.users[mine] - start, liked.items[mine], liked.strengths[mine])
            scores = self._scorer.scores(given, stop - start)
            # A user of items that nobody liked in training has a score of 0 for all items alike.
            personal = np.any(scores, axis=1)
            if allowed is not None:
                scores = _only(scores, allowed[start:stop])
            seen = slice(bounds[start], bounds[stop])
            scores[users[seen] - start, items[seen]] = -np.inf
            for row, best in enumerate(top_k_rows(scores, k)):
                if personal[row]:
                    answers.append(Ranked(best, scores[row, best], personal=True))
                elif allowed is not None:
                    answers.append(self._popular_of(np.isfinite(scores[row]), k))
                else:
                    answers.append(
                        self.popular(k, exclude=np.unique(items[bounds[start + row] : bounds[start + row + 1]]))
                    )
        return answers

    def popular(self, k: int, *, exclude: NDArray[np.int64] | None = None) -> Ranked:
        """The k most popular items without `exclude`; the score of rank r is 1 / r."""
        head = self._popularity[: k + (0 if exclude is None else len(exclude))]
        if exclude is not None:
            head = head[~np.isin(head, exclude)]
        return _by_rank(head[:k])

    def _popular_of(self, wanted: NDArray[np.bool_], k: int) -> Ranked:
        """The k most popular of the items that `wanted`, shape (items,), marks."""
        return _by_rank(self._popularity[wanted[self._popularity]][:k])

    def _events(self, histories: Sequence[History]) -> tuple[IntArray, IntArray]:
        """User (position in `histories`) and item index (-1 if unknown to the model) of every event."""
        lookup = self.index.get
        items = np.array([lookup(item, -1) for history in histories for item in history.item_ids], dtype=np.int64)
        return np.repeat(np.arange(len(histories)), [len(history.item_ids) for history in histories]), items

    def _liked(self, histories: Sequence[History], users: IntArray, items: IntArray) -> Interactions:
        if not len(users):
            return Interactions(users, items, np.zeros(0))
        strength = strengths(
            np.concatenate([history.actions for history in histories]),
            np.concatenate([history.values for history in histories]),
            self._weights,
        )
        return interactions(users, items, strength, history=self._history_length)


class Recommender(Ranker):
    """The model that is served: implicit ALS, each user folded in when asked for."""

    def __init__(self, model: RecommenderModel) -> None:
        """Raises ModelError when the manifest lacks a parameter that fold-in needs."""
        manifest = model.manifest
        foldin = FoldIn(
            model.factors,
            alpha=_parameter(manifest, "alpha", least=0.0),
            # A positive one keeps every fold-in solvable, whatever the factors are.
            regularization=_parameter(manifest, "regularization", least=1e-9),
        )
        super().__init__(
            model.items.column("item_id").to_pylist(),
            Factors(foldin),
            model.popularity,
            weights=manifest.weights,
            history_length=manifest.history_length,
        )
        self.manifest = manifest
        norms = np.linalg.norm(model.factors, axis=1, keepdims=True)
        self._directions: NDArray[np.float32] = (model.factors / np.where(norms > 0, norms, 1)).astype(np.float32)

    def similar(self, item_id: str, k: int) -> Ranked:
        """The k items whose factors point most nearly the same way (cosine). Raises KeyError for an unknown item."""
        item = self.index[item_id]
        scores = self._directions @ self._directions[item]
        scores[item] = -np.inf
        # An item that nobody liked has a zero factor: it is like nothing, and nothing is like it.
        scores[~self._directions.any(axis=1)] = -np.inf
        best = top_k(scores, k if self._directions[item].any() else 0)
        return Ranked(best, scores[best], personal=False)


def _only(scores: Scores, allowed: Sequence[NDArray[np.int64]]) -> Scores:
    """`scores` with -inf where an item is not among its row's `allowed`."""
    kept: Scores = np.full_like(scores, -np.inf)
    for row, items in enumerate(allowed):
        kept[row, items] = scores[row, items]
    return kept


def _by_rank(items: NDArray[np.int64]) -> Ranked:
    return Ranked(items, (1.0 / np.arange(1, len(items) + 1)).astype(np.float32), personal=False)


def _parameter(manifest: Manifest, name: str, *, least: float) -> float:
    given = manifest.parameters.get(name)
    if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given < np.inf:
        raise ModelError(
            f"model version {manifest.version} has {name}={given!r}, not a number from {least:g}",
            fix="train again, or roll back",
        )
    return float(given)
