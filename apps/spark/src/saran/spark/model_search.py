"""Parameters chosen within a budget of trials, on folds of the training part alone.

The first trial is a model's defaults, the others are drawn at random: with few trials and few parameters that matter,
random search finds as good ones as more elaborate methods do (Bergstra, Bengio: "Random Search for Hyper-Parameter
Optimization", JMLR 2012), and needs no further package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from saran.core.confidence import IntArray, Interactions
from saran.core.metrics import Ideal, hits, ndcg
from saran.core.ranking import top_k_rows
from saran.core.scorers import Scores, standardised
from saran.spark.model_kinds import Kind
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


class Choice(BaseModel):
    """The best parameters that were tried, the goal's metric on the folds with them, and how many were tried."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parameters: dict[str, Any]
    validation: float
    trials: int


class Found(NamedTuple):
    """The outcome of a search: the choice, the same parameters as they are, and their scores on each fold."""

    choice: Choice
    parameters: BaseModel
    scores: list[Scores]


Tell = Callable[[int, float], None]
"""Told after each trial: how many are done, and the best value so far."""


def make_folds(train: Events, items: int, *, count: int, seed: int) -> list[Fold]:
    """`count` folds of the training events, at most `SLICES`; users of the folds are drawn by `seed` if many."""
    return [_fold(*fold(train, number, folds=SLICES, seed=seed), items, seed) for number in range(count)]


def _fold(learnt: Events, held: Events, items: int, seed: int) -> Fold:
    given = summed(learnt)
    # An item that a user met in both parts is in no list, so it cannot be found.
    wanted = np.unique(held.users * items + held.items)
    wanted = np.setdiff1d(wanted, learnt.users * items + learnt.items, assume_unique=False)
    users = np.intersect1d(wanted // items, given.users)
    most = min(_MOST_USERS, max(1, _FOLD_SCORES // items))
    if len(users) > most:
        users = np.sort(np.random.default_rng(seed).choice(users, most, replace=False))
    inside = np.isin(given.users, users)
    histories = Interactions(np.searchsorted(users, given.users[inside]), given.items[inside], given.strengths[inside])
    wanted = wanted[np.isin(wanted // items, users)]
    relevant = np.split(wanted % items, np.searchsorted(wanted // items, users[1:]))
    return Fold(given, items, histories, relevant)


def search(kind: Kind[Any], folds: Sequence[Fold], goal: Goal, *, trials: int, seed: int, tell: Tell) -> list[Found]:
    """The `LIBRARY` best of `trials` parameters, at least 1, best first; the first that are tried are the defaults."""
    rng = np.random.default_rng(seed)
    tried: list[BaseModel] = []
    best: list[Found] = []
    for trial in range(trials):
        parameters = kind.draw(rng) if trial else kind.parameters()
        if parameters not in tried:
            tried.append(parameters)
            best.append(_try(kind, parameters, folds, goal, seed))
            best = sorted(best, key=lambda found: -found.choice.validation)[:LIBRARY]
        tell(trial + 1, best[0].choice.validation)
    return [found._replace(choice=found.choice.model_copy(update={"trials": len(tried)})) for found in best]


def _try(kind: Kind[Any], parameters: BaseModel, folds: Sequence[Fold], goal: Goal, seed: int) -> Found:
    scores = [
        kind.fit(fold.learnt, fold.items, parameters, seed).scores(fold.histories, len(fold.relevant)) for fold in folds
    ]
    value = _mean(folds, scores, goal)
    return Found(Choice(parameters=parameters.model_dump(), validation=value, trials=1), parameters, scores)


def search_blend(
    parts: Mapping[str, Sequence[Scores]], folds: Sequence[Fold], goal: Goal, *, trials: int, tell: Tell
) -> Choice:
    """Weights of the parts by forward selection: the part that helps most gets one more vote, again and again.

    `parts` holds each model's scores on each fold. Adding to what is good already can hardly fit the folds' noise, as
    free weights would (Caruana et al.: "Ensemble Selection from Libraries of Models", ICML 2004). The best of all
    steps counts, and at most `trials` mixtures are tried.
    """
    names = list(parts)
    ready = {name: [standardised(scores) for scores in parts[name]] for name in names}
    sums: list[Scores] = [np.zeros_like(scores) for scores in ready[names[0]]]
    votes = dict.fromkeys(names, 0)
    best, weights, done = -1.0, dict[str, float](), 0
    while done < trials:
        values: dict[str, float] = {}
        for name in names[: trials - done]:
            mixture = [total + part for total, part in zip(sums, ready[name], strict=True)]
            values[name] = _mean(folds, mixture, goal)
            done += 1
        better = max(values, key=values.__getitem__)
        votes[better] += 1
        sums = [total + part for total, part in zip(sums, ready[better], strict=True)]
        if values[better] > best:
            best, weights = values[better], {name: vote / sum(votes.values()) for name, vote in votes.items() if vote}
        tell(done, best)
    return Choice(parameters=weights, validation=best, trials=done)


def _mean(folds: Sequence[Fold], scores: Sequence[Scores], goal: Goal) -> float:
    weights = [len(fold.relevant) for fold in folds]
    values = [fold.quality(own, goal) for fold, own in zip(folds, scores, strict=True)]
    return float(np.average(values, weights=weights))
