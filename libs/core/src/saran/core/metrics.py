"""Metrics of ranked lists: accuracy with binary relevance, what lists are like beside it, and intervals of means.

Each gives one value a user, but for `coverage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from saran.core.model_folder import Metric

Values = NDArray[np.float64]
Ideal = Literal["cut", "all"]

_BLOCK: Final = 4_000_000
"""Users drawn at once by the bootstrap: bounds its work array at 32 MB."""


def hits(ranked: Sequence[NDArray[np.int64]], relevant: Sequence[NDArray[np.int64]], k: int) -> NDArray[np.bool_]:
    """Whether each of the first k ranked items is relevant, shape (users, k); a short list has no hits at its end."""
    found = np.zeros((len(ranked), k), dtype=np.bool_)
    for user, (row, wanted) in enumerate(zip(ranked, relevant, strict=True)):
        head = row[:k]
        found[user, : len(head)] = np.isin(head, wanted)
    return found


def ndcg(found: NDArray[np.bool_], relevant: NDArray[np.int64], *, ideal: Ideal = "cut") -> Values:
    """Normalised discounted cumulative gain of each user, shape (users,).

    `found` is what `hits` gives, `relevant` (users,) how many items are relevant to each, at least 1. With `cut` the
    ideal list ends at k too: a list whose k items are all relevant has 1 (Järvelin, Kekäläinen: "Cumulated gain-based
    evaluation of IR techniques", TOIS 2002). With `all` it holds all relevant items, so that a user with more than k
    of them cannot reach 1 (as in Ferrari Dacrema et al.: "A Troubling Analysis of Reproducibility and Progress in
    Recommender Systems Algorithms Research", TOIS 2021).
    """
    k = found.shape[1]
    longest = max(k, int(relevant.max(initial=1)))
    discounts: Values = 1.0 / np.log2(np.arange(2, longest + 2))
    best: Values = np.cumsum(discounts)[(np.minimum(relevant, k) if ideal == "cut" else relevant) - 1]
    gains: Values = found @ discounts[:k] / best
    return gains


def recall(found: NDArray[np.bool_], relevant: NDArray[np.int64]) -> Values:
    """Share of each user's relevant items among the k ranked, shape (users,); arguments as for `ndcg`."""
    shares: Values = found.sum(axis=1) / relevant
    return shares


def reciprocal_rank(found: NDArray[np.bool_]) -> Values:
    """One over the rank of each user's first hit, 0 without one; shape (users,).

    Its mean is MRR@k (Voorhees: "The TREC-8 Question Answering Track Report", 1999).
    """
    ranks: Values = found / np.arange(1, found.shape[1] + 1)
    return np.asarray(ranks.max(axis=1, initial=0.0))


def hit(found: NDArray[np.bool_]) -> Values:
    """1 for each user with a hit among the k ranked, otherwise 0; shape (users,). Its mean is the hit rate HR@k."""
    some: Values = np.where(found.any(axis=1), 1.0, 0.0)
    return some


def coverage(ranked: Sequence[NDArray[np.int64]], k: int, items: int) -> float:
    """Share of a catalogue of `items` that stands among the first k of at least one list.

    A figure of all lists together, so there is none for a user. Catalogue coverage of Ge, Delgado-Battenfeld,
    Jannach: "Beyond Accuracy: Evaluating Recommender Systems by Coverage and Serendipity", RecSys 2010.
    """
    shown = np.zeros(items, dtype=np.bool_)
    for row in ranked:
        shown[row[:k]] = True
    return float(shown.mean())


def novelty(ranked: Sequence[NDArray[np.int64]], k: int, users_of_item: NDArray[np.int64], users: int) -> Values:
    """How unexpected each list is, in bits, shape (lists,): the mean of -log2(users of the item / all users).

    Self-information of an item (Zhou et al.: "Solving the apparent diversity-accuracy dilemma of recommender systems",
    PNAS 2010) by its users in training; an item without any counts as one with one. NaN for an empty list.
    """
    bits = -np.log2(np.maximum(users_of_item, 1) / users)
    return np.array([bits[row[:k]].mean() if len(row[:k]) else np.nan for row in ranked])


def diversity(
    ranked: Sequence[NDArray[np.int64]], k: int, starts: NDArray[np.int64], users: NDArray[np.integer]
) -> Values:
    """How unlike each other the items of each list are, shape (lists,): the mean of 1 - cosine over their pairs.

    An item is the set of its training users, users[starts[i]] … users[starts[i + 1] - 1]; one without users is like
    none. Ziegler et al.: "Improving Recommendation Lists Through Topic Diversification", WWW 2005 (intra-list
    similarity), as a distance. NaN for a list of fewer than two items.
    """
    count = int(users.max(initial=0)) + 1
    lengths = np.diff(starts)
    spread = np.full(len(ranked), np.nan)
    for place, row in enumerate(ranked):
        head = row[:k]
        if len(head) < 2:
            continue
        members = np.concatenate([users[starts[item] : starts[item + 1]] for item in head])
        own = lengths[head]
        # The squared length of the sum of unit vectors is their number plus twice the cosines of all pairs.
        together = np.bincount(members, weights=np.repeat(1 / np.sqrt(np.maximum(own, 1)), own), minlength=count)
        cosines = (together @ together - np.count_nonzero(own)) / (len(head) * (len(head) - 1))
        spread[place] = 1.0 - cosines
    return spread


def mean_with_interval(
    values: Values, *, seed: int, resamples: int = 1000, groups: NDArray[np.int64] | None = None
) -> Metric:
    """The mean over users with its 95 % percentile bootstrap interval. Raises ValueError without values.

    With `groups`, of the length of `values`, whole groups are drawn: values of one group are not independent, and the
    interval of single ones would be too narrow.
    """
    if not len(values):
        raise ValueError("no values to take the mean of")
    places = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sums, sizes = np.bincount(places, weights=values), np.bincount(places)
    count = len(sums)
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // count)
    means = []
    for start in range(0, resamples, block):
        drawn = rng.integers(0, count, size=(min(block, resamples - start), count))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return Metric(value=float(values.mean()), low=float(low), high=float(high))
