"""The best items for users' factors, exactly, without a score of every item.

Items are looked at in the order of the length of their factors. No later item scores more than its length times the
user's (Cauchy and Schwarz), so a user for whom that is less than the k-th best score so far is done; lengths differ as
popularity does, and most users are done after a part of the catalogue. The order is that of LEMP's buckets
(Teflioudi, Gemulla, Mykytiuk: "LEMP: Fast Retrieval of Large Entries in a Matrix Product", SIGMOD 2015). A piece of
scores is small enough to be looked at while it is in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import Interactions
from saran.core.ranking import lower_bounds, top_k
from saran.core.retrieval import Best, Solve

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]

_FIRST: Final = 4096
"""Items of the first piece; each next one has twice as many."""

_SCORES: Final = 1 << 18
"""Scores of a piece of several users at most: a megabyte."""

_USERS: Final = 256
"""Users who are looked at together."""

_USERS_WITHIN: Final = 64
"""Those with items that their lists are made of, of which each has a mask of all items."""

_FEW: Final = 2048
"""Items that a filter leaves, up to which all of them are scored and no others."""

_NO_SCORE: Final = np.finfo(np.float32).min
"""The bound of a user for whom nothing is found yet: above the -inf of what may not be found."""

_SLACK: Final = 1e-4
"""Rounding of a product of two factors, relative to their lengths, beyond which none of float32 goes."""


class Scan:
    """Inner product search over item factors, shape (items, k), of which it keeps a copy. Threads can share it."""

    def __init__(self, factors: Vectors) -> None:
        lengths = np.linalg.norm(factors, axis=1)
        self._items: Indices = np.argsort(-lengths, kind="stable")
        self._lengths: Vectors = lengths[self._items] * np.float32(1 + _SLACK)
        self._factors: Vectors = factors[self._items]
        self._places = np.empty_like(self._items)
        self._places[self._items] = np.arange(len(self._items))

    def best(
        self,
        users: Vectors,
        k: int,
        hidden: Sequence[Indices],
        allowed: Sequence[Indices | None] | None = None,
    ) -> list[Best]:
        """For each of `users`, shape (users, k), the k items with the highest inner product, without the `hidden` ones.

        Best first, equal scores by smaller index, as of a score of every item; fewer where there are no more. `allowed`
        holds the items that each list is made of; all items where it is None.
        """
        count = len(self._items)
        k = min(k, count)
        owner = np.repeat(np.arange(len(users)), [len(one) for one in hidden])
        places = self._places[np.concatenate([*hidden, np.zeros(0, dtype=np.int64)])]
        order = np.argsort(places, kind="stable")
        owner, places = owner[order], places[order]
        reach = np.linalg.norm(users, axis=1)
        barred = self._barred(allowed or ())
        bounds = np.full(len(users), _NO_SCORE, dtype=np.float32)
        active = np.arange(len(users))
        found = _Found(k, bounds)
        start, size = 0, _FIRST
        while start < count and len(active) and k > 0:
            stop = min(start + size, count)
            scores = users[active] @ self._factors[start:stop].T
            inside = slice(*np.searchsorted(places, (start, stop)))
            row = np.searchsorted(active, owner[inside])
            asks = row < len(active)
            asks[asks] = active[row[asks]] == owner[inside][asks]
            scores[row[asks], places[inside][asks] - start] = -np.inf
            for place, user in enumerate(active.tolist() if barred else ()):
                if user in barred:
                    scores[place, barred[user][start:stop]] = -np.inf
            found.take(active, scores, self._items[start:stop])
            start = stop
            if start < count:
                active = active[reach[active] * self._lengths[start] >= bounds[active]]
                size = min(2 * size, max(_FIRST, _SCORES // max(1, len(active))))
        return found.best(len(users))

    def _barred(self, allowed: Sequence[Indices | None]) -> dict[int, NDArray[np.bool_]]:
        """Whether each item, by its place, is not among those allowed; by user. Users of one array share one answer."""
        masks: dict[int, NDArray[np.bool_]] = {}
        barred = {}
        for user, items in enumerate(allowed):
            if items is not None:
                if id(items) not in masks:
                    masks[id(items)] = np.ones(len(self._items), dtype=np.bool_)
                    masks[id(items)][self._places[items]] = False
                barred[user] = masks[id(items)]
        return barred


class ScanSearch:
    """Lists of users by a scan: who liked what goes in, and is folded in."""

    def __init__(self, solve: Solve, factors: Vectors) -> None:
        self._solve = solve
        self._factors = factors
        self._scan = Scan(factors)

    def best(
        self,
        given: Interactions,
        users: int,
        k: int,
        *,
        hidden: Sequence[Indices],
        allowed: Sequence[Indices | None] | None = None,
    ) -> list[Best | None]:
        """`Scan.best` for each user; None for one of whom nothing is known, whose factor is 0."""
        vectors = self._solve(given, users)
        within = allowed or [None] * users
        answers: list[Best | None] = [None] * users
        scanned = []
        for user in np.flatnonzero(vectors.any(axis=1)).tolist():
            items = within[user]
            if items is None or len(items) > _FEW:
                scanned.append(user)
            else:
                answers[user] = self._of_few(vectors[user], k, items[~np.isin(items, hidden[user])])
        together = _USERS if allowed is None else _USERS_WITHIN
        for start in range(0, len(scanned), together):
            some = scanned[start : start + together]
            found = self._scan.best(vectors[some], k, [hidden[one] for one in some], [within[one] for one in some])
            for user, best in zip(some, found, strict=True):
                answers[user] = best
        return answers

    def _of_few(self, user: Vectors, k: int, items: Indices) -> Best:
        items = np.sort(items)
        scores: Vectors = self._factors[items] @ user
        best = top_k(scores, k)
        return Best(items[best], scores[best])


class _Found:
    """Candidates of users, and `bounds`: the k-th best score of each so far."""

    def __init__(self, k: int, bounds: Vectors) -> None:
        self._k = k
        self._bounds = bounds
        self._users: Indices = np.zeros(0, dtype=np.int64)
        self._items: Indices = np.zeros(0, dtype=np.int64)
        self._scores: Vectors = np.zeros(0, dtype=np.float32)
        self._news: list[tuple[Indices, Indices, Vectors]] = []
        self._takes = 0

    def take(self, users: Indices, scores: Vectors, items: Indices) -> None:
        """Take the scores, shape (users, items), that reach the bounds."""
        bounds = self._bounds[users]
        if not self._takes:
            bounds = np.maximum(bounds, lower_bounds(scores, min(self._k, scores.shape[1])))
        flat = np.flatnonzero(scores >= bounds[:, None])
        row, column = np.divmod(flat, scores.shape[1])
        self._news.append((users[row], items[column], scores.ravel()[flat]))
        self._takes += 1
        # Each time there are twice as many pieces: a bound that is a little low costs a few candidates only.
        if self._takes & (self._takes - 1) == 0:
            self._settle()

    def best(self, users: int) -> list[Best]:
        """What is left for users 0 … users - 1."""
        self._settle()
        ends = np.searchsorted(self._users, np.arange(users + 1))
        return [Best(self._items[start:stop], self._scores[start:stop]) for start, stop in pairwise(ends.tolist())]

    def _settle(self) -> None:
        """Keep the k best of each user, best first."""
        users = np.concatenate([self._users, *(one[0] for one in self._news)])
        items = np.concatenate([self._items, *(one[1] for one in self._news)])
        scores = np.concatenate([self._scores, *(one[2] for one in self._news)])
        self._news = []
        order = np.lexsort((items, -scores, users))
        order = order[scores[order] > -np.inf]
        users = users[order]
        first = np.searchsorted(users, users)
        place = np.arange(len(users)) - first
        kept = place < self._k
        self._users, self._items, self._scores = users[kept], items[order][kept], scores[order][kept]
        last = place == self._k - 1
        self._bounds[users[last]] = scores[order][last]
