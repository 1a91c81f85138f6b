"""Models as one call, `scores`: the histories of some users in, a score of every item for each of them out.

What a user has seen is left out by the caller (`saran.core.recommender.Ranker`), who also answers for users about whom
a scorer has nothing to say: it gives those a row of zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import FloatArray, IntArray, Interactions
from saran.core.explain import Explains, Shares
from saran.core.foldin import FoldIn
from saran.core.rows import Rows, transposed

Scores = NDArray[np.float32]


class Scorer(Protocol):
    """What every recommender model is, once fitted. Immutable, so threads can share it."""

    def scores(self, given: Interactions, users: int) -> Scores:
        """Scores of all items for users 0 … users - 1, shape (users, items), finite, higher is better.

        `given` holds distinct item indices and positive strengths by user, as `confidence.interactions` makes them.
        Users do not influence each other.
        """
        ...


class ItemScorer(Scorer, Explains, Protocol):
    """A model that also knows which items are alike, and which items of a history carry a score."""

    def like(self, item: int) -> Scores:
        """How like an item each other one is, shape (items,); -inf for the item itself and for those that are not."""
        ...

    def likeness(self, item: int, others: IntArray) -> Scores:
        """How like `item` each of `others` is, shape (others,), on the scale of `like`; about 0 for not at all."""
        ...


class Popularity:
    """The same score for everyone with a history: how many users an item has, shape (items,)."""

    def __init__(self, users_of_item: NDArray[np.integer]) -> None:
        self._row: Scores = users_of_item.astype(np.float32)

    def scores(self, given: Interactions, users: int) -> Scores:
        """See `Scorer.scores`; which items a history holds does not matter."""
        known = np.bincount(given.users, minlength=users) > 0
        scores: Scores = np.outer(known, self._row).astype(np.float32)
        return scores


class Nobody:
    """Has nothing to say about anybody, so that everyone gets the popularity list, and is told so."""

    def __init__(self, items: int) -> None:
        self._items = items

    def scores(self, _: Interactions, users: int) -> Scores:
        """See `Scorer.scores`."""
        return np.zeros((users, self._items), dtype=np.float32)


class Factors:
    """Matrix factorisation: the user is folded in (`saran.core.foldin`), and meets the item factors (items, k)."""

    def __init__(self, foldin: FoldIn) -> None:
        self._foldin = foldin
        self._norms = np.linalg.norm(foldin.factors, axis=1)
        self._mean: FloatArray = foldin.factors.mean(axis=0, dtype=np.float64)

    def scores(self, given: Interactions, users: int) -> Scores:
        """See `Scorer.scores`."""
        scores: Scores = self._foldin.solve(given, users) @ self._foldin.factors.T
        return scores

    def like(self, item: int) -> Scores:
        """The cosine of the factors. An item that nobody liked has a zero factor: it is like nothing."""
        lengths = self._norms * self._norms[item]
        scores: Scores = np.full(len(lengths), -np.inf, dtype=np.float32)
        np.divide(self._foldin.factors @ self._foldin.factors[item], lengths, out=scores, where=lengths > 0)
        scores[item] = -np.inf
        return scores

    def likeness(self, item: int, others: IntArray) -> Scores:
        """The cosine of the factors; 0 with a zero factor."""
        lengths = self._norms[others] * self._norms[item]
        cosines: Scores = np.zeros(len(others), dtype=np.float32)
        np.divide(self._foldin.factors[others] @ self._foldin.factors[item], lengths, out=cosines, where=lengths > 0)
        return cosines

    def explain(self, given: Interactions, items: IntArray) -> Shares:
        """See `Explains.explain`."""
        parts = self._foldin.parts(given)
        return Shares(parts @ self._foldin.factors[items].T, parts @ self._mean)


class Unweighted:
    """Another scorer, on histories whose pairs all have strength 1."""

    def __init__(self, scorer: ItemScorer) -> None:
        self._scorer = scorer

    def scores(self, given: Interactions, users: int) -> Scores:
        """See `Scorer.scores`."""
        return self._scorer.scores(unweighted(given), users)

    def like(self, item: int) -> Scores:
        """See `ItemScorer.like`."""
        return self._scorer.like(item)

    def likeness(self, item: int, others: IntArray) -> Scores:
        """See `ItemScorer.likeness`."""
        return self._scorer.likeness(item, others)

    def explain(self, given: Interactions, items: IntArray) -> Shares:
        """See `Explains.explain`."""
        return self._scorer.explain(unweighted(given), items)


class Folding(NamedTuple):
    """What the scores of all items are the product of: item factors (items, k), and how a user's factor is found."""

    factors: Scores
    solve: Callable[[Interactions, int], Scores]
    parts: Callable[[Interactions], FloatArray]
    """What each item of one user adds to the factor: `saran.core.foldin.FoldIn.parts`."""


def folding(scorer: Scorer) -> Folding | None:
    """None for a scorer whose scores are not a product of factors."""
    if isinstance(scorer, Factors):
        fold = scorer._foldin
        return Folding(fold.factors, fold.solve, fold.parts)
    inner = folding(scorer._scorer) if isinstance(scorer, Unweighted) else None
    return inner and Folding(
        inner.factors,
        lambda given, users: inner.solve(unweighted(given), users),
        lambda given: inner.parts(unweighted(given)),
    )


def unweighted(given: Interactions) -> Interactions:
    """The same pairs, each of strength 1."""
    return given._replace(strengths=np.ones(len(given.users)))


class ItemWeights:
    """A linear model: the score of item j is the sum of weights[i, j] over the items i of the history.

    `weights` has shape (items, items), float32; strengths do not count.
    """

    def __init__(self, weights: Scores) -> None:
        self.weights = weights

    def scores(self, given: Interactions, users: int) -> Scores:
        """See `Scorer.scores`. The work array is (users, items), as the answer."""
        history = np.zeros((users, len(self.weights)), dtype=np.float32)
        history[given.users, given.items] = 1.0
        scores: Scores = history @ self.weights
        return scores

    def like(self, item: int) -> Scores:
        """The item's positive weights."""
        return _positive(self.weights[item].copy(), item)

    def likeness(self, item: int, others: IntArray) -> Scores:
        """The item's weights, 0 for a negative one."""
        likeness: Scores = np.maximum(self.weights[item, others], np.float32(0))
        return likeness

    def explain(self, given: Interactions, items: IntArray) -> Shares:
        """See `Explains.explain`."""
        rows = self.weights[given.items].astype(np.float64)
        return Shares(rows[:, items], rows.mean(axis=1))


class Neighbours:
    """A sparse linear model: the score of item j is the sum of how near the items of the history are to it.

    `near` holds the nearest items of each item, best first, with how near they are (above 0); an item that is not
    among the nearest of j counts as 0. Strengths do not count.
    """

    def __init__(self, near: Rows) -> None:
        self.near = near
        self._votes = transposed(near, len(near.starts) - 1)

    def scores(self, given: Interactions, users: int) -> Scores:
        """See `Scorer.scores`. The work array holds all votes of one history."""
        votes = self._votes
        count = len(votes.starts) - 1
        bounds = np.searchsorted(given.users, np.arange(users + 1))
        scores: Scores = np.empty((users, count), dtype=np.float32)
        for user in range(users):
            mine = given.items[bounds[user] : bounds[user + 1]]
            lengths = votes.starts[mine + 1] - votes.starts[mine]
            places = np.repeat(votes.starts[mine] + lengths - np.cumsum(lengths), lengths) + np.arange(lengths.sum())
            scores[user] = np.bincount(votes.columns[places], weights=votes.strengths[places], minlength=count)
        return scores

    def like(self, item: int) -> Scores:
        """The item's nearest, as near as they are."""
        mine = slice(self.near.starts[item], self.near.starts[item + 1])
        scores: Scores = np.zeros(len(self.near.starts) - 1, dtype=np.float32)
        scores[self.near.columns[mine]] = self.near.strengths[mine]
        return _positive(scores, item)

    def likeness(self, item: int, others: IntArray) -> Scores:
        """How near each of `others` is; 0 for one that is not among the item's nearest."""
        mine = slice(self.near.starts[item], self.near.starts[item + 1])
        likeness: Scores = (others[:, None] == self.near.columns[mine]) @ self.near.strengths[mine]
        return likeness

    def explain(self, given: Interactions, items: IntArray) -> Shares:
        """See `Explains.explain`."""
        votes = self._votes
        count = len(votes.starts) - 1
        place = np.full(count, len(items))
        place[items] = np.arange(len(items))
        shares = np.zeros((len(given.items), len(items) + 1))  # the last column takes the votes for other items
        for row, item in enumerate(given.items):
            mine = slice(votes.starts[item], votes.starts[item + 1])
            np.add.at(shares[row], place[votes.columns[mine]], votes.strengths[mine])
        return Shares(shares[:, :-1], shares.sum(axis=1) / count)


class Blend:
    """The weighted sum of several scorers' scores, each brought to mean 0 and deviation 1 over the items of a user.

    Only parts with something to say take part, so a user about whom none has gets zeros.
    """

    def __init__(self, parts: Sequence[Scorer], weights: Sequence[float]) -> None:
        self._parts = [(part, weight) for part, weight in zip(parts, weights, strict=True) if weight]

    def scores(self, given: Interactions, users: int) -> Scores:
        """See `Scorer.scores`."""
        first, *rest = (np.float32(weight) * standardised(part.scores(given, users)) for part, weight in self._parts)
        return sum(rest, start=first)

    def explain(self, given: Interactions, items: IntArray) -> Shares:
        """See `Explains.explain`; what a part that does not explain adds (popularity) is no item's share."""
        total = np.zeros((len(given.items), len(items)))
        for part, weight in self._parts:
            shares, means = shares_of(part, given, items)
            scores = part.scores(given, 1)
            # The same steps as in `standardised`, of which the deviation is common to all shares of a row.
            deviation = scores.std() if np.any(standardised(scores)) else np.inf
            total += weight * (shares - means[:, None]) / deviation
        return Shares(total, np.zeros(len(given.items)))


def shares_of(scorer: Scorer, given: Interactions, items: IntArray) -> Shares:
    """What `scorer` explains; zeros when it does not."""
    if isinstance(scorer, Explains):
        return scorer.explain(given, items)
    return Shares(np.zeros((len(given.items), len(items))), np.zeros(len(given.items)))


def _positive(likeness: Scores, item: int) -> Scores:
    """`likeness`, changed in place: -inf where it is not above 0, and for the item itself."""
    likeness[likeness <= 0] = -np.inf
    likeness[item] = -np.inf
    return likeness


def standardised(scores: Scores) -> Scores:
    """Each row of `scores` with mean 0 and standard deviation 1; rows of equal values become zeros."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    deviation = centred.std(axis=1, keepdims=True)
    # The rest of a row of equal values is rounding.
    flat = deviation <= 1e-6 * np.abs(scores).max(axis=1, keepdims=True)
    result: Scores = np.divide(centred, deviation, out=np.zeros_like(centred), where=~flat)
    return result
