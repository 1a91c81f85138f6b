"""What comes next in a session: what it had already, or what followed its last items in other sessions.

Rules after the sequential rules of Ludewig and Jannach: "Evaluation of session-based recommendation algorithms", UMUAI
2018. `saran.api` serves by this class, and `saran evaluate --sessions` measures it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from saran.core.confidence import FloatArray, IntArray
from saran.core.rows import Rows

USUAL: Final = 0.2
"""Repeats are usual where at least this share of next items was in the session before."""


class Following(NamedTuple):
    """Items that may come next in a session."""

    items: IntArray
    """Distinct indices, shape (items,), best first, equal ones by smaller index."""
    sources: IntArray
    """Distinct items of the session that speak for them, shape (sources,)."""
    shares: FloatArray
    """Shape (sources, items), at least 0 and at most 1 in sum: how likely this item is next, because of that one."""

    def only(self, items: IntArray) -> Following:
        """Without the items that are not among `items`."""
        kept = np.isin(self.items, items)
        return Following(self.items[kept], self.sources, self.shares[:, kept])


class Repeats(NamedTuple):
    """How often an item of a session comes next again."""

    chances: FloatArray
    """From 0 to 1 by steps since it was last met and times it was met, shape (most steps + 1, most times + 1).

    What is more than the shape counts as the most; place 0 is not used.
    """
    share: float
    """Of all next items, those that the session had already."""


class NextItems:
    """Rules item → item, and what comes again. Immutable, so threads can share it."""

    def __init__(self, rules: Rows, *, sources: int, source_rate: float, repeats: Repeats | None = None) -> None:
        """`rules` has, for each item, items that followed it and how much, above 0.

        The last `sources` items of a session have a say, the one `s` steps before the last exp(-s / source_rate).
        Without `repeats` the rules alone say what comes, and so what comes again.
        """
        self._rules = rules
        self._sources = sources
        self._source_rate = source_rate
        self._repeats = repeats

    @property
    def repeats_usual(self) -> bool:
        """Whether so many next items were in the session before that a list should not leave these out."""
        return self._repeats is not None and self._repeats.share >= USUAL

    def after(self, session: IntArray) -> Following:
        """What may follow the items of `session`, oldest first; nothing where nothing is known of them.

        An item of the session has the chance that such an item comes again. What is left of 1 is shared among the
        items that the session did not have, by the rules.
        """
        followed = self._followed(session)
        if self._repeats is None:
            return _ranked(*followed)
        own, chances = self._again(session)
        new = ~np.isin(followed.items, own)
        sources = np.unique(session)
        items = np.union1d(followed.items, own)
        shares = np.zeros((len(sources), len(items)))
        shares[np.searchsorted(sources, own), np.searchsorted(items, own)] = chances
        rest = followed.shares[:, new]
        places = np.ix_(np.searchsorted(sources, followed.sources), np.searchsorted(items, followed.items[new]))
        shares[places] = rest * ((1.0 - chances.sum()) / _sum(rest))
        some = shares.any(axis=0)
        return _ranked(items[some], sources, shares[:, some])

    def _followed(self, session: IntArray) -> Following:
        """What the rules say, in the order of indices."""
        last = session[::-1][: self._sources]
        says = np.exp(-np.arange(len(last)) / self._source_rate)
        sources, source_of = np.unique(last, return_inverse=True)
        weights = np.bincount(source_of, weights=says, minlength=len(sources))
        starts = self._rules.starts
        rows = [slice(starts[source], starts[source + 1]) for source in sources]
        items = np.unique(np.concatenate([self._rules.columns[row] for row in rows] or [np.zeros(0, np.int32)]))
        shares = np.zeros((len(sources), len(items)))
        for place, row in enumerate(rows):
            shares[place, np.searchsorted(items, self._rules.columns[row])] = weights[place] * self._rules.strengths[
                row
            ].astype(np.float64)
        return Following(items.astype(np.int64), sources, shares / _sum(shares))

    def _again(self, session: IntArray) -> tuple[IntArray, FloatArray]:
        """The distinct items of the session, and how likely each is next; at most 1 in sum."""
        if self._repeats is None:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        table = self._repeats.chances
        own, places, times = np.unique(session[::-1], return_index=True, return_counts=True)
        chances = table[np.minimum(places + 1, table.shape[0] - 1), np.minimum(times, table.shape[1] - 1)]
        return own, chances / max(float(chances.sum()), 1.0)


def _ranked(items: IntArray, sources: IntArray, shares: FloatArray) -> Following:
    order = np.argsort(-shares.sum(axis=0), kind="stable")
    return Following(items[order], sources, shares[:, order])


def _sum(shares: FloatArray) -> float:
    return max(float(shares.sum()), float(np.finfo(float).tiny))
