"""Parameters and blends of the models of a split, chosen on folds of its training part alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from pydantic import BaseModel

from saran.core.confidence import IntArray, Interactions
from saran.core.metrics import Ideal, hits, ndcg
from saran.core.ranking import top_k_rows
from saran.core.scorers import Scores, standardised
from saran.spark.model_kinds import BLEND, KINDS
from saran.spark.parameter_search import Budget, Choice, Found, Tell, search, select_forward
from saran.spark.split_files import Events, fold, summed

SLICES: Final = 5
"""A fold holds this part of each user's events."""

LIBRARY: Final = 3
"""Of each model, so many parameters take part in the blend: the best ones, which err in different places."""

_FOLD_SCORES: Final = 25_000_000
"""Cells (users × items) of a fold's scores, kept for each part of a blend: 100 MB. More users are drawn from."""

_MOST_USERS: Final = 5_000


@dataclass(frozen=True)
class Goal:
    """What is made as high as possible: the mean NDCG@k over the users of all folds."""

    k: int
    ideal: Ideal


@dataclass(frozen=True)
class Fold:
    """A part of training to learn from, and users of it whose other items are looked for."""

    learnt: Interactions
    items: int
    histories: Interactions
    """Of the users that are looked at, numbered from 0."""
    relevant: list[IntArray]

    def quality(self, scores: Scores, goal: Goal) -> float:
        """The goal's metric for scores of the fold's users, shape (users, items)."""
        masked = scores.copy()
        masked[self.histories.users, self.histories.items] = -np.inf
        found = hits(top_k_rows(masked, goal.k), self.relevant, goal.k)
        counts = np.array([len(row) for row in self.relevant])
        return float(ndcg(found, counts, ideal=goal.ideal).mean())


def make_folds(train: Events, items: int, *, count: int, seed: int) -> list[Fold]:
    """`count` folds of the training events, at most `SLICES`; users of the folds are drawn by `seed` if many."""
    return [_fold(*fold(train, number, folds=SLICES, seed=seed), items, seed) for number in range(count)]


def _fold(learnt: Events, held: Events, items: int, seed: int) -> Fold:
    # An item that a user met in both parts is in no list, so it cannot be found.
    wanted = np.unique(held.users * items + held.items)
    wanted = np.setdiff1d(wanted, learnt.users * items + learnt.items, assume_unique=False)
    return make_fold(summed(learnt), wanted, items, seed)


def make_fold(given: Interactions, wanted: IntArray, items: int, seed: int) -> Fold:
    """A fold to learn `given` from; `wanted` holds user × `items` + item of what is looked for, sorted, each once.

    Users without anything in `given` are left out.
    """
    users = np.intersect1d(wanted // items, given.users)
    most = min(_MOST_USERS, max(1, _FOLD_SCORES // items))
    if len(users) > most:
        users = np.sort(np.random.default_rng(seed).choice(users, most, replace=False))
    inside = np.isin(given.users, users)
    histories = Interactions(np.searchsorted(users, given.users[inside]), given.items[inside], given.strengths[inside])
    wanted = wanted[np.isin(wanted // items, users)]
    relevant = np.split(wanted % items, np.searchsorted(wanted // items, users[1:]))
    return Fold(given, items, histories, relevant)


def search_models(
    models: Sequence[str], folds: Sequence[Fold], goal: Goal, *, keep: int, budget: Budget, tell: Tell
) -> dict[str, Found[list[Scores]]]:
    """The `keep` best parameters of each model, with their scores on each fold."""

    def attempt(model: str, parameters: BaseModel) -> tuple[float, list[Scores]]:
        fitted = (KINDS[model].fit(fold.learnt, fold.items, parameters, budget.seed) for fold in folds)
        scores = [one.scores(fold.histories, len(fold.relevant)) for one, fold in zip(fitted, folds, strict=True)]
        return _mean(folds, goal, scores), scores

    spaces = {model: KINDS[model] for model in models}
    return search(spaces, attempt, keep=dict.fromkeys(models, keep), budget=budget, tell=tell)


def search_blend(
    parts: Mapping[str, Sequence[Scores]], folds: Sequence[Fold], goal: Goal, *, trials: int, tell: Tell
) -> Choice:
    """Weights of the parts; `parts` holds each model's scores on each fold."""
    ready = {name: [standardised(scores) for scores in own] for name, own in parts.items()}
    nothing = [np.zeros_like(scores) for scores in next(iter(ready.values()))]

    def add(mixture: list[Scores], name: str) -> list[Scores]:
        return [total + part for total, part in zip(mixture, ready[name], strict=True)]

    return select_forward(BLEND, list(parts), nothing, add, partial(_mean, folds, goal), trials=trials, tell=tell)


def _mean(folds: Sequence[Fold], goal: Goal, scores: Sequence[Scores]) -> float:
    weights = [len(fold.relevant) for fold in folds]
    values = [fold.quality(own, goal) for fold, own in zip(folds, scores, strict=True)]
    return float(np.average(values, weights=weights))
