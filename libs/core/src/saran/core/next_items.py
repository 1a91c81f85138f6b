"""What comes next in a session: rules from its last items to those that followed them in other sessions.

After the sequential rules of Ludewig and Jannach: "Evaluation of session-based recommendation algorithms", UMUAI 2018.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from saran.core.confidence import FloatArray, IntArray
from saran.core.rows import Rows


class Following(NamedTuple):
    """Items that came after the last ones of a session."""

    items: IntArray
    """Distinct indices, shape (items,), best first, equal ones by smaller index."""
    sources: IntArray
    """Distinct items of the session that they came after, shape (sources,)."""
    shares: FloatArray
    """Shape (sources, items), at least 0 and 1 in sum: what of all that followed is this item after that one."""

    def only(self, items: IntArray) -> Following:
        """Without the items that are not among `items`."""
        kept = np.isin(self.items, items)
        return Following(self.items[kept], self.sources, self.shares[:, kept])


class NextItems:
    """Rules item → item. Immutable, so threads can share it."""

    def __init__(self, rules: Rows, *, sources: int, source_rate: float) -> None:
        """`rules` has, for each item, items that followed it and how much, above 0.

        The last `sources` items of a session have a say, the one `s` steps before the last exp(-s / source_rate).
        """
        self._rules = rules
        self._sources = sources
        self._source_rate = source_rate

    def after(self, session: IntArray) -> Following:
        """What followed the items of `session`, oldest first; of no items where no rule is known of them."""
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
        order = np.argsort(-shares.sum(axis=0), kind="stable")
        return Following(
            items[order].astype(np.int64), sources, shares[:, order] / max(shares.sum(), np.finfo(float).tiny)
        )
