"""All models on one given split, measured alike: parameters chosen on folds of training, then one run on test."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from pydantic import BaseModel, Field

from saran.core.confidence import IntArray, Interactions, Weights
from saran.core.entities import ACTION_CODES, Action
from saran.core.errors import SaranError
from saran.core.metrics import Ideal
from saran.core.recommender import History, Ranker
from saran.core.scorers import Blend, Scorer
from saran.spark.figures import Report
from saran.spark.list_figures import Segment, measure
from saran.spark.model_kinds import BLEND, ITEM_KNN, KINDS, POPULARITY
from saran.spark.model_search import LIBRARY, Goal, make_folds, search_blend, search_models
from saran.spark.parameter_search import Budget, Choice, Tell
from saran.spark.split_files import EVERY_EVENT, Split

ALWAYS: Final = (POPULARITY, ITEM_KNN)
"""Measured beside every model: what a good one has to beat."""


@dataclass(frozen=True)
class Options(Budget):
    """How to evaluate; parameters are chosen by NDCG at the first length."""

    ks: tuple[int, ...] = (10, 20)
    models: tuple[str, ...] = (*KINDS, BLEND)
    ideal: Ideal = "cut"


class SplitReport(Report):
    """Of models on a split; `differences` are model → model always shown → the goal's metric of the first less the
    second's."""

    users: int
    items: int
    interactions: int
    test_users: int
    ideal: Ideal
    segments: dict[str, Segment] = Field(default_factory=dict)


def wanted_models(named: Sequence[str]) -> tuple[str, ...]:
    """The models to measure, in a fixed order, with those always shown. Raises SaranError for a name unknown."""
    known = (*KINDS, BLEND)
    unknown = [name for name in named if name not in known]
    if unknown:
        raise SaranError(f"there is no model {unknown[0]!r}", fix=f"name some of {', '.join(known)}")
    return tuple(name for name in known if name in named or name in ALWAYS)


def evaluate_split(
    split: Split, options: Options, *, tell: Tell, before_test: Callable[[SplitReport], None] = lambda _: None
) -> SplitReport:
    """Choose, fit and measure. `before_test` gets the report with all choices before test items are looked at."""
    goal = Goal(options.ks[0], options.ideal)
    given = split.interactions()
    chosen, fits = _choose(split, options, goal, tell)
    report = SplitReport(
        users=len(split.user_ids),
        items=len(split.item_ids),
        interactions=len(given.users),
        test_users=len(split.relevant),
        ideal=options.ideal,
        seed=options.seed,
        folds=options.folds,
        goal=f"ndcg@{goal.k}",
        chosen=chosen,
    )
    before_test(report)
    lists: dict[str, list[IntArray]] = {}
    seconds: dict[str, float] = {}
    scorers: dict[str, Scorer] = {}
    popularity = np.argsort(-np.bincount(given.items, minlength=len(split.item_ids)), kind="stable")
    histories = _histories(split)
    for done, name in enumerate(options.models):
        tell("test", done, len(options.models), name)
        start = time.perf_counter()
        if name == BLEND:
            weights = chosen[BLEND].parameters
            parts = [scorers.get(part) or fits[part](given) for part in weights]
            scorers[name] = Blend(parts, list(weights.values()))
        else:
            scorers[name] = fits[name](given)
        ranker = Ranker(split.item_ids, scorers[name], popularity, weights=Weights(), history_length=EVERY_EVENT)
        lists[name] = [answer.items for answer in ranker.recommend(histories, max(options.ks), allowed=split.allowed)]
        seconds[name] = round(time.perf_counter() - start, 3)
    tell("test", len(options.models), len(options.models), "")
    measured = measure(split, lists, given, ks=options.ks, ideal=options.ideal, seed=options.seed)
    return report.model_copy(
        update={
            "segments": measured.segments(),
            "differences": {
                model: {other: measured.difference(report.goal, model, other) for other in ALWAYS if other != model}
                for model in lists
            },
            "seconds": seconds,
        }
    )


class _Choices(NamedTuple):
    """What was chosen for each model, and how each but the blend is fitted with it.

    For a blend, `als #2` is what came second for `als`, and so on.
    """

    chosen: dict[str, Choice]
    fits: Mapping[str, Callable[[Interactions], Scorer]]


def _choose(split: Split, options: Options, goal: Goal, tell: Tell) -> _Choices:
    items, blended = len(split.item_ids), BLEND in options.models
    folds = make_folds(split.train, items, count=options.folds, seed=options.seed)
    if not all(fold.relevant for fold in folds):
        raise SaranError("training holds too few events to choose parameters on", fix="give users of 2 events or more")
    names = [name for name in KINDS if name in options.models or blended]
    found = search_models(names, folds, goal, keep=LIBRARY if blended else 1, budget=options, tell=tell)
    chosen = {part: one.choice() for part, one in found.items()}
    if blended:
        scores = {part: one.outcome for part, one in found.items()}
        chosen[BLEND] = search_blend(scores, folds, goal, trials=options.trials * len(scores), tell=tell)
    fits = {part: partial(_fit, one.model, one.parameters, items, options.seed) for part, one in found.items()}
    return _Choices(chosen, fits)


def _fit(model: str, parameters: BaseModel, items: int, seed: int, given: Interactions) -> Scorer:
    return KINDS[model].fit(given, items, parameters, seed)


def _histories(split: Split) -> list[History]:
    """Training events of each test user."""
    events = split.train
    bounds = np.searchsorted(events.users, np.arange(len(split.user_ids) + 1))
    histories = []
    for user in split.test_users:
        mine = slice(bounds[user], bounds[user + 1]) if user >= 0 else slice(0)
        actions = np.full(len(events.items[mine]), ACTION_CODES[Action.RATE], dtype=np.int64)
        histories.append(
            History([split.item_ids[item] for item in events.items[mine]], actions, events.strengths[mine])
        )
    return histories
