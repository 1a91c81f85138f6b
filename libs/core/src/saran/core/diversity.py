"""Lists that do not say the same thing ten times: maximal marginal relevance.

Carbonell and Goldstein: "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries",
SIGIR 1998.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

_LEAST_POOL: Final = 100
_POOL_OF_LIST: Final = 5


class Resemblance(Protocol):
    """A model that knows how much its items resemble each other."""

    def likeness(self, item: int, others: NDArray[np.int64]) -> NDArray[np.float32]:
        """How much each of `others` is like `item`, shape (others,): 1 for the same, 0 for nothing in common."""
        ...


def pool_size(k: int) -> int:
    """How many of the best items a list of k is picked from."""
    return max(_LEAST_POOL, _POOL_OF_LIST * k)


def diversify(
    items: NDArray[np.int64], scores: NDArray[np.float32], k: int, *, diversity: float, model: Resemblance
) -> NDArray[np.int64]:
    """Places in `items` of the k that are picked, in the order in which they are picked.

    `items` and their `scores` are best first. Each pick is the item with the highest
    (1 - diversity) · relevance - diversity · (likeness to the most alike of those picked before); relevance is the
    score brought to 0 … 1 over `items`, which puts it on the scale of likeness. The first pick is the best item.
    """
    span = float(scores[0] - scores[-1]) if len(scores) else 0.0
    relevance = (scores - scores[-1]) / span if span > 0 else np.zeros(len(scores))
    picked: list[int] = []
    nearest = np.full(len(items), -np.inf)
    value = relevance.astype(np.float64)
    for _ in range(min(k, len(items))):
        place = int(np.argmax(value))
        picked.append(place)
        nearest = np.maximum(nearest, model.likeness(int(items[place]), items))
        value = (1 - diversity) * relevance - diversity * nearest
        value[picked] = -np.inf
    return np.array(picked, dtype=np.int64)
