"""Why an item is in a list: how much of its score each item of the history carried."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from saran.core.confidence import FloatArray, IntArray, Interactions


class Shares(NamedTuple):
    """What each item of a history adds to the scores of some items."""

    shares: FloatArray
    """Shape (history, items); a column sums to the item's score."""
    means: FloatArray
    """Shape (history,): the mean share over all items of the model."""


@runtime_checkable
class Explains(Protocol):
    """A scorer whose score is a sum over the items of the history."""

    def explain(self, given: Interactions, items: IntArray) -> Shares:
        """The shares of one user's history in the scores of `items`; `given` as for `Scorer.scores`, of user 0."""
        ...
