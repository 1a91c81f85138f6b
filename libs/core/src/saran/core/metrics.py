"""Ranking metrics with binary relevance, one value a user, and the interval of their mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saran.core.model_folder import Metric

Values = NDArray[np.float64]

_BLOCK: Final = 4_000_000
"""Users drawn at once by the bootstrap: bounds its work array at 32 MB."""


def hits(ranked: Sequence[NDArray[np.int64]], relevant: Sequence[NDArray[np.int64]], k: int) -> NDArray[np.bool_]:
    """Whether each of the first k ranked items is relevant, shape (users, k); a short list has no hits at its end."""
    found = np.zeros((len(ranked), k), dtype=np.bool_)
    for user, (row, wanted) in enumerate(zip(ranked, relevant, strict=True)):
        head = row[:k]
        found[user, : len(head)] = np.isin(head, wanted)
    return found


def ndcg(found: NDArray[np.bool_], relevant: NDArray[np.int64]) -> Values:
    """Normalised discounted cumulative gain of each user, shape (users,).

    `found` is what `hits` gives, `relevant` (users,) how many items are relevant to each, at least 1. The ideal is
    cut at k too: a list whose k items are all relevant has 1 (Järvelin, Kekäläinen: "Cumulated gain-based
    evaluation of IR techniques", TOIS 2002).
    """
    k = found.shape[1]
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(relevant, k) - 1]
    gains: Values = found @ discounts / ideal
    return gains


def recall(found: NDArray[np.bool_], relevant: NDArray[np.int64]) -> Values:
    """Share of each user's relevant items among the k ranked, shape (users,); arguments as for `ndcg`."""
    shares: Values = found.sum(axis=1) / relevant
    return shares


def mean_with_interval(values: Values, *, seed: int, resamples: int = 1000) -> Metric:
    """The mean over users with its 95 % percentile bootstrap interval. Raises ValueError without values."""
    count = len(values)
    if not count:
        raise ValueError("no values to take the mean of")
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // count)
    means = np.concatenate(
        [
            values[rng.integers(0, count, size=(min(block, resamples - start), count))].mean(axis=1)
            for start in range(0, resamples, block)
        ]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return Metric(value=float(values.mean()), low=float(low), high=float(high))
