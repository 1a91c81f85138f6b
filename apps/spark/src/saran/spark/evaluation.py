"""How good a list is: users' newest events were kept from training, and their items are looked for in the list.

Every list is ranked over the whole catalogue without the items of the user's history, by the class that the API
serves with (`saran.core.recommender.Recommender`), for the personal list and for popularity alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saran.core.metrics import Values, hits, mean_with_interval, ndcg, recall
from saran.core.model_folder import Evaluation, Metric
from saran.core.recommender import Recommender
from saran.spark.training_data import HeldOut, HoldOut, Pairs

ALS: Final = "als"
POPULARITY: Final = "popularity"

PRIMARY: Final = "ndcg@10"
"""The figure that decides whether a version becomes the champion on its own."""

_NDCG_AT: Final = 10
_RECALL_AT: Final = 20


def candidates(pairs: Pairs) -> list[str]:
    """Users with held-out interest in an item that their history shows no interest in, sorted."""
    users = np.unique(pairs.users[(pairs.future > 0) & (pairs.past == 0)])
    return [pairs.user_ids[user] for user in users]


def sample(user_ids: list[str], most: int, *, seed: int) -> list[str]:
    """`user_ids`, or `most` of them drawn by `seed`, sorted."""
    if len(user_ids) <= most:
        return user_ids
    drawn = np.random.default_rng(seed).choice(len(user_ids), size=most, replace=False)
    return [user_ids[user] for user in np.sort(drawn)]


def evaluate(
    recommender: Recommender,
    tests: HeldOut,
    *,
    split: str,
    seed: int,
    name: str = ALS,
    beside: Mapping[str, Recommender] = MappingProxyType({}),
) -> Evaluation:
    """NDCG@10 and Recall@20 of `recommender`, of its popularity list and of those `beside` it: means with intervals.

    The intervals hold 95 %. `tests` has at least one user. A relevant item that the model does not know counts as not
    found.
    """
    index = recommender.index
    relevant = [np.array([index.get(item, -1) for item in row], dtype=np.int64) for row in tests.relevant]
    every = {name: recommender, **beside}
    lists = {one: [answer.items for answer in its.recommend(tests.histories, _RECALL_AT)] for one, its in every.items()}
    popular = [
        recommender.popular(
            _RECALL_AT, exclude=np.unique([index[item] for item in history.item_ids if item in index]).astype(np.int64)
        ).items
        for history in tests.histories
    ]
    return Evaluation(
        split=split,
        test_users=len(tests.user_ids),
        metrics={one: _figures(ranked, relevant, seed) for one, ranked in {**lists, POPULARITY: popular}.items()},
    )


def ndcg_of_users(recommender: Recommender, tests: HeldOut) -> Values:
    """NDCG@10 of `recommender` for each test user, shape (users,), by the rules of `evaluate`."""
    relevant = [np.array([recommender.index.get(item, -1) for item in row], dtype=np.int64) for row in tests.relevant]
    ranked = [answer.items for answer in recommender.recommend(tests.histories, _NDCG_AT)]
    return ndcg(hits(ranked, relevant, _NDCG_AT), np.array([len(row) for row in relevant], dtype=np.int64))


def split_text(hold_out: HoldOut, *, eligible: int, most: int, seed: int) -> str:
    """The split in words, for the manifest."""
    text = (
        f"the last {hold_out.fraction:.0%} (at least 1) of each user's events by time, of users with "
        f"{hold_out.min_events} events or more; all items ranked but those of the user's history"
    )
    return text if eligible <= most else f"{text}; {most} of {eligible} such users, drawn by seed {seed}"


def _figures(ranked: list[NDArray[np.int64]], relevant: list[NDArray[np.int64]], seed: int) -> dict[str, Metric]:
    counts = np.array([len(row) for row in relevant], dtype=np.int64)
    found = hits(ranked, relevant, _RECALL_AT)
    return {
        f"ndcg@{_NDCG_AT}": mean_with_interval(ndcg(found[:, :_NDCG_AT], counts), seed=seed),
        f"recall@{_RECALL_AT}": mean_with_interval(recall(found, counts), seed=seed),
    }
