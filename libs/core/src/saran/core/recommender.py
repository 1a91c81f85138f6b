"""Histories in, ranked items out: what the API serves and what the evaluation measures.

Needs no Spark and no database; a loaded model folder is enough.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import FloatArray, IntArray, Interactions, Weights, interactions, strengths
from saran.core.model_folder import RecommenderModel
from saran.core.model_parts import Kind, age_groups, blended, item_scorer, next_items
from saran.core.next_items import Following
from saran.core.ranking import top_k, top_k_rows
from saran.core.retrieval import Best, Search, build_search
from saran.core.scan import ScanSearch
from saran.core.scorers import Folding, ItemScorer, Scorer, Scores, folding, shares_of
from saran.core.tastes import Near, Vectors, directions, near
from saran.core.versions import ModelError

Likeness = Literal["behaviour", "content"]
"""By what items are alike: the users who liked them, or what the catalogue says of them."""

_TRAINERS: Final[Mapping[Likeness, str]] = {
    "behaviour": "`saran train recommender`",
    "content": "`saran train content`, or `saran train blend`",
}

_SCANNED: Final = range(30_000, 300_001)
"""Numbers of items of which lists are found by a scan: of fewer all scores are quicker, and of more its copy of the
factors (77 MB with 64 factors at the upper end) would be for nothing where an index is made."""

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


class Alike(NamedTuple):
    """Items like an item, and by what they are."""

    by: Likeness
    ranked: Ranked


class Explanation(NamedTuple):
    """Indices of the items of a history, and their shares in some scores, shape (history, scores)."""

    history: IntArray
    shares: FloatArray


class Ranker:
    """Lists by any scorer, for users with a history and for users without one. Threads can share it."""

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
        self.search: Search | None = None
        self._scorer = scorer
        found = folding(scorer) if len(self.item_ids) in _SCANNED else None
        self._scan = None if found is None else ScanSearch(found.solve, found.factors)
        self._popularity = popularity
        self._weights = weights
        self._history_length = history_length

    def build_search(self, *, threads: int = 1) -> bool:
        """Make an index of the items, which `recommend` uses from then on, and answers without until then.

        False where the scorer has no factors that all of a score comes from, or an index could not keep its promise:
        then lists stay exact. The index is in `search`.
        """
        found = folding(self._scorer)
        self.search = None if found is None else build_search(found.factors, found.solve, threads=threads)
        if self.search is not None:
            self._scan = None
        return self.search is not None

    def recommend(
        self,
        histories: Sequence[History],
        k: int,
        *,
        allowed: Sequence[NDArray[np.int64] | None] | None = None,
        hide_seen: bool = True,
    ) -> list[Ranked]:
        """The k best items for each history, without the items in it if `hide_seen`.

        A history that holds nothing the model learnt from gets the popularity list, marked as not personal. `allowed`
        holds the distinct item indices that each list is made of; all items where it is None.
        """
        users, items = self._events(histories)
        liked = self._liked(histories, users, items)
        known = (items >= 0) & hide_seen
        users, items = users[known], items[known]
        bounds = np.searchsorted(users, np.arange(len(histories) + 1))
        likes = np.searchsorted(liked.users, np.arange(len(histories) + 1))

        def seen(user: int) -> NDArray[np.int64]:
            return np.unique(items[bounds[user] : bounds[user + 1]])

        finder = self._finder(allowed)
        if finder is not None:
            found = finder(liked, k, [seen(user) for user in range(len(histories))])
            return [
                self._popular_within(k, seen(user), None if allowed is None else allowed[user])
                if best is None
                else Ranked(*best, personal=True)
                for user, best in enumerate(found)
            ]
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
                _keep_only(scores, allowed[start:stop])
            inside = slice(bounds[start], bounds[stop])
            scores[users[inside] - start, items[inside]] = -np.inf
            for row, best in enumerate(top_k_rows(scores, k)):
                if personal[row]:
                    answers.append(Ranked(best, scores[row, best], personal=True))
                else:
                    mine_only = None if allowed is None else allowed[start + row]
                    answers.append(self._popular_within(k, seen(start + row), mine_only))
        return answers

    def _finder(self, allowed: Sequence[IntArray | None] | None) -> Callable[..., list[Best | None]] | None:
        """What finds lists without a score of every item: given (what is liked, k, what is hidden from each user)."""
        search = self.search or self._scan
        if search is None:
            return None
        return lambda liked, k, hidden: search.best(liked, len(hidden), k, hidden=hidden, allowed=allowed)

    def explain(self, history: History, items: IntArray) -> Explanation:
        """What the items of a history add to the scores of `items`; nothing where the model cannot tell."""
        users, known = self._events([history])
        given = self._liked([history], users, known)
        return Explanation(given.items, shares_of(self._scorer, given, items).shares)

    def popular(self, k: int, *, exclude: NDArray[np.int64] | None = None) -> Ranked:
        """The k most popular items without `exclude`; the score of rank r is 1 / r."""
        head = self._popularity[: k + (0 if exclude is None else len(exclude))]
        if exclude is not None:
            head = head[~np.isin(head, exclude)]
        return _by_rank(head[:k])

    def _popular_within(self, k: int, hidden: NDArray[np.int64], allowed: NDArray[np.int64] | None) -> Ranked:
        """The k most popular of the items `allowed`, of all when None, without those that are `hidden`."""
        if allowed is None:
            return self.popular(k, exclude=hidden)
        wanted = np.zeros(len(self._popularity), dtype=np.bool_)
        wanted[allowed] = True
        wanted[hidden] = False
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
    """The model that is served, made of the parts of a version, and the one whose figures the version has."""

    def __init__(self, model: RecommenderModel) -> None:
        """Raises ModelError when a part lacks a parameter."""
        scorers = {name: item_scorer(name, part) for name, part in model.parts.items()}
        super().__init__(
            model.items.column("item_id").to_pylist(),
            blended(scorers, model.parts, model.items.num_rows),
            model.popularity,
            weights=model.manifest.weights,
            history_length=model.manifest.history_length,
        )
        self.manifest = model.manifest
        self.ages = age_groups(model.parts)
        """What users of an age like; None where the training knew of no ages."""
        self._next_items = next_items(model.parts)
        heaviest = sorted(model.parts, key=lambda name: -model.parts[name].spec.weight)
        foldings = (folding(scorer) for name in heaviest if (scorer := scorers[name]) is not None)
        self._folding = next((found for found in foldings if found is not None), None)
        self.weighty: list[Kind] = [part.spec.kind for part in model.parts.values() if part.spec.weight > 0]
        """Kinds of the parts whose scores make the version's own."""
        self._scorers: dict[Kind, ItemScorer] = {}
        self._alike: dict[Likeness, ItemScorer] = {}
        for name, part in model.parts.items():
            found = scorers[name]
            if found is not None:
                self._scorers.setdefault(part.spec.kind, found)
                self._alike.setdefault("content" if part.spec.kind is Kind.CONTENT else "behaviour", found)

    def similar(self, item_id: str, k: int, by: Likeness | None = None) -> Alike:
        """The k items most like an item by what users did, or by what they are; best first.

        Without `by`, what users did decides, and for an item that nobody did anything with, what it is. Raises
        KeyError for an unknown item, and ModelError when the version has no part that knows.
        """
        item = self.index[item_id]
        if by is not None and by not in self._alike:
            raise ModelError(
                f"model version {self.manifest.version} does not know which items are alike by {by}",
                fix=f"train one that does: {_TRAINERS[by]}",
            )
        answer = Alike(by or "behaviour", Ranked(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32), False))
        for likeness in ("behaviour", "content") if by is None else (by,):
            if likeness in self._alike:
                scores = self._alike[likeness].like(item)
                best = top_k(scores, k)
                answer = Alike(likeness, Ranked(best, scores[best], personal=False))
                if len(best):
                    break
        return answer

    def tastes(self, histories: Sequence[History]) -> Vectors:
        """Directions of the users' factors, shape (users, k), whose products tell who is alike (`saran.core.tastes`).

        Raises ModelError when no part of the version has factors.
        """
        return directions(self._factors(), self._given(histories), len(histories))

    def alike(self, history: History, others: Sequence[History]) -> list[Near]:
        """How alike a user is to each of `others`, and by what they share. Raises ModelError as `tastes` does."""
        return near(self._factors(), self._given([history]), self._given(others), len(others))

    def _given(self, histories: Sequence[History]) -> Interactions:
        return self._liked(histories, *self._events(histories))

    def _factors(self) -> Folding:
        if self._folding is None:
            raise ModelError(
                f"model version {self.manifest.version} has no factors, by which users are alike",
                fix="train one that has: `saran train recommender`",
            )
        return self._folding

    def by_part(self) -> dict[Kind, Self]:
        """The version as if one part were all of it, for each kind of part that scores items; nothing is copied.

        A part of weight 0, which only tells which items are alike, makes lists here too.
        """
        return {kind: self._by(scorer) for kind, scorer in self._scorers.items()}

    def _by(self, scorer: ItemScorer) -> Self:
        if scorer is self._scorer:
            return self
        other = copy.copy(self)
        other._scorer = scorer
        other.search = other._scan = None
        return other

    def following(self, session: History) -> Following | None:
        """What may come next after a session's events of interest; None where the version has no rules."""
        if self._next_items is None:
            return None
        _, items = self._events([session])
        interest = strengths(session.actions, session.values, self._weights) > 0
        return self._next_items.after(items[(items >= 0) & interest])

    @property
    def repeats_usual(self) -> bool:
        """Whether lists of sessions should hold what the session had; see `NextItems.repeats_usual`."""
        return self._next_items is not None and self._next_items.repeats_usual

    def likeness(self, item: int, others: IntArray) -> Scores:
        """How like `item` each of `others` (indices) is, by what users did or else by what they are; 0: not at all."""
        found = self._alike.get("behaviour") or self._alike.get("content")
        return np.zeros(len(others), dtype=np.float32) if found is None else found.likeness(item, others)


def _keep_only(scores: Scores, allowed: Sequence[IntArray | None]) -> None:
    """Sets -inf in `scores` where an item is not among its row's `allowed`."""
    for row, items in zip(scores, allowed, strict=True):
        if items is not None:
            kept = row[items]
            row[:] = -np.inf
            row[items] = kept


def _by_rank(items: NDArray[np.int64]) -> Ranked:
    return Ranked(items, (1.0 / np.arange(1, len(items) + 1)).astype(np.float32), personal=False)
