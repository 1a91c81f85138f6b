"""Figures of several models' lists for the same test users: by segment of users, and one model against another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saran.core import metrics
from saran.core.confidence import IntArray, Interactions
from saran.core.metrics import Ideal, Values
from saran.core.rows import rows_of, transposed
from saran.spark.figures import Figure, Figures
from saran.spark.split_files import Split

FEW_EVENTS: Final = 5
"""A user with fewer training events is new."""


class Segment(Figures):
    """Figures over some of the test users."""

    users: int


@dataclass(frozen=True)
class Measured:
    """Values of every metric for every test user."""

    split: Split
    lists: Mapping[str, Sequence[IntArray]]
    values: Mapping[str, Mapping[str, Values]]
    """Model → metric → value of each test user."""
    ks: Sequence[int]
    seed: int

    def segments(self) -> dict[str, Segment]:
        """Figures of all test users, and of those who are new, light and heavy; segments without users are left out.

        New users have fewer than `FEW_EVENTS` training events, light ones up to the median of the others, heavy ones
        more.
        """
        return {
            name: Segment(
                users=int(inside.sum()), metrics={model: self._figures(model, inside) for model in self.lists}
            )
            for name, inside in _segments(self.split).items()
            if inside.any()
        }

    def difference(self, metric: str, model: str, other: str) -> Figure:
        """The mean of what `model` has more than `other`, user by user."""
        return _figure(self.values[model][metric] - self.values[other][metric], self.seed)

    def _figures(self, model: str, inside: NDArray[np.bool_]) -> dict[str, Figure]:
        figures = {name: _figure(every[inside], self.seed) for name, every in self.values[model].items()}
        shown = [self.lists[model][user] for user in np.flatnonzero(inside).tolist()]
        for k in self.ks:
            figures[f"coverage@{k}"] = Figure(value=metrics.coverage(shown, k, len(self.split.item_ids)))
        return {name: figure for name, figure in figures.items() if not np.isnan(figure.value)}


def measure(
    split: Split,
    lists: Mapping[str, Sequence[IntArray]],
    given: Interactions,
    *,
    ks: Sequence[int],
    ideal: Ideal,
    seed: int,
) -> Measured:
    """Measure `lists` (model → list of each test user); `given` is training, and `seed` that of the intervals."""
    items = len(split.item_ids)
    counts = np.array([len(row) for row in split.relevant])
    users_of_item = np.bincount(given.items, minlength=items)
    by_item = transposed(rows_of(given), items)
    values: dict[str, dict[str, Values]] = {}
    for model, ranked in lists.items():
        found = metrics.hits(ranked, split.relevant, max(ks))
        own = values[model] = {}
        for k in ks:
            own[f"ndcg@{k}"] = metrics.ndcg(found[:, :k], counts, ideal=ideal)
            own[f"recall@{k}"] = metrics.recall(found[:, :k], counts)
            own[f"mrr@{k}"] = metrics.reciprocal_rank(found[:, :k])
            own[f"hr@{k}"] = metrics.hit(found[:, :k])
            own[f"novelty@{k}"] = metrics.novelty(ranked, k, users_of_item, len(split.user_ids))
            own[f"diversity@{k}"] = metrics.diversity(ranked, k, by_item.starts, by_item.columns)
    return Measured(split, lists, values, ks, seed)


def _figure(values: Values, seed: int) -> Figure:
    """The mean of what is defined; NaN without any."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return Figure(value=float("nan"))
    return Figure(**metrics.mean_with_interval(defined, seed=seed).model_dump())


def _segments(split: Split) -> dict[str, NDArray[np.bool_]]:
    """Which test users are in which segment, by their training events."""
    lengths = np.bincount(split.train.users, minlength=len(split.user_ids))
    events = np.where(split.test_users >= 0, lengths[split.test_users], 0)
    new = events < FEW_EVENTS
    middle = np.median(events[~new]) if not new.all() else 0
    light = ~new & (events <= middle)
    return {"all": np.ones(len(events), dtype=np.bool_), "new": new, "light": light, "heavy": ~new & ~light}
