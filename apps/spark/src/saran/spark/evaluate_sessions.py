"""The next item of anonymous sessions: parameters chosen on the newest sessions of training, then one run on test."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from saran.core import metrics
from saran.core.confidence import IntArray
from saran.core.list_options import Seen
from saran.core.metrics import Values
from saran.spark.figures import Figure, Figures, Report
from saran.spark.parameter_search import Budget, Choice, Tell
from saran.spark.served_sessions import SERVED, SERVED_BY_DEFAULT, served
from saran.spark.session_files import Cases, SessionSplit
from saran.spark.session_kernel import Answers
from saran.spark.session_models import BASELINES, PARTS, SESSIONS, Visits, mixture
from saran.spark.session_search import found_in, make_folds, search_mixture, search_models


@dataclass(frozen=True)
class SessionOptions(Budget):
    """How to evaluate; parameters are chosen by (HR + MRR) / 2 at the first length."""

    ks: tuple[int, ...] = (20,)


class SessionSegment(Figures):
    """Figures over some of the next items."""

    cases: int


class SessionReport(Report):
    """Of next items; `differences` are metric → baseline → what the session recommender has more, case by case, and
    `served_differences` likewise what is served has more."""

    sessions: int
    items: int
    events: int
    test_cases: int
    test_sessions: int
    segments: dict[str, SessionSegment] = Field(default_factory=dict)
    served_differences: dict[str, dict[str, Figure]] = Field(default_factory=dict)


Answer = Callable[[Visits, Cases], Answers]


def evaluate_sessions(
    split: SessionSplit,
    options: SessionOptions,
    *,
    tell: Tell,
    before_test: Callable[[SessionReport], None] = lambda _: None,
) -> SessionReport:
    """Choose, learn and measure. `before_test` gets the report with all choices before test cases are looked at."""
    chosen, models = _choose(split, options, tell)
    report = SessionReport(
        sessions=split.train.size,
        items=len(split.item_ids),
        events=len(split.train.items),
        test_cases=len(split.test.wanted),
        test_sessions=len(np.unique(split.test.sessions)),
        seed=options.seed,
        folds=options.folds,
        goal=f"(hr@{options.ks[0]} + mrr@{options.ks[0]}) / 2",
        chosen=chosen,
    )
    before_test(report)
    values: dict[str, dict[str, Values]] = {}
    seconds: dict[str, float] = {}
    for done, (name, answer) in enumerate(models.items()):
        tell("test", done, len(models), name)
        start = time.perf_counter()
        answers = answer(Visits(split.train, len(split.item_ids)), split.test)
        seconds[name] = round(time.perf_counter() - start, 3)
        values[name] = _values(answers, split.test, options.ks)
    tell("test", len(models), len(models), "")
    return report.model_copy(
        update={
            "segments": {
                name: _segment(values, split.test, inside, options.seed)
                for name, inside in _segments(split.test).items()
                if inside.any()
            },
            "differences": _differences(SESSIONS, values, split.test, options.seed),
            "served_differences": _differences(SERVED_BY_DEFAULT, values, split.test, options.seed),
            "seconds": seconds,
        }
    )


def _choose(split: SessionSplit, options: SessionOptions, tell: Tell) -> tuple[dict[str, Choice], dict[str, Answer]]:
    """What was chosen, and the models to measure, told of it."""
    k = options.ks[0]
    folds = make_folds(split.train, len(split.item_ids), count=options.folds, seed=options.seed)
    found = search_models(folds, k, budget=options, tell=tell)
    chosen = {part: one.choice() for part, one in found.items()}
    parts = {part: one.outcome for part, one in found.items() if one.model in PARTS}
    mixed = search_mixture(parts, folds, k, trials=options.trials * len(parts), tell=tell)
    chosen[SESSIONS] = mixed
    answers: dict[str, Answer] = {part: partial(_answer, one.model, one.parameters) for part, one in found.items()}
    models = {name: answers[name] for name in BASELINES}
    models[SESSIONS] = partial(_mixed, [(answers[part], weight) for part, weight in mixed.parameters.items()])
    models |= {name: partial(_served, seen) for name, seen in SERVED.items()}
    return chosen, models


def _answer(model: str, parameters: BaseModel, visits: Visits, cases: Cases) -> Answers:
    kind = BASELINES.get(model) or PARTS[model]
    return kind.answer(visits, parameters, cases.prefixes)


def _served(seen: Seen | None, visits: Visits, cases: Cases) -> Answers:
    return served(visits, cases.prefixes, seen)


def _mixed(parts: list[tuple[Answer, float]], visits: Visits, cases: Cases) -> Answers:
    return mixture([answer(visits, cases) for answer, _ in parts], [weight for _, weight in parts], visits.item_count)


def _values(answers: Answers, cases: Cases, ks: tuple[int, ...]) -> dict[str, Values]:
    values: dict[str, Values] = {}
    for k in ks:
        found = found_in(answers, cases.wanted, k)
        values[f"hr@{k}"] = metrics.hit(found)
        values[f"mrr@{k}"] = metrics.reciprocal_rank(found)
    return values


def _segments(cases: Cases) -> dict[str, NDArray[np.bool_]]:
    """All cases; those whose next item is in the prefix; and those whose is not."""
    prefixes = cases.prefixes
    case_of = prefixes.sequence_of()
    again = np.bincount(case_of[prefixes.items == cases.wanted[case_of]], minlength=prefixes.size) > 0
    return {"all": np.ones(prefixes.size, dtype=np.bool_), "again": again, "first time": ~again}


def _segment(
    values: dict[str, dict[str, Values]], cases: Cases, inside: NDArray[np.bool_], seed: int
) -> SessionSegment:
    figures = {
        model: {metric: _figure(each[inside], cases.sessions[inside], seed) for metric, each in own.items()}
        for model, own in values.items()
    }
    return SessionSegment(cases=int(inside.sum()), metrics=figures)


def _differences(
    model: str, values: dict[str, dict[str, Values]], cases: Cases, seed: int
) -> dict[str, dict[str, Figure]]:
    return {
        metric: {other: _figure(own - values[other][metric], cases.sessions, seed) for other in BASELINES}
        for metric, own in values[model].items()
    }


def _figure(values: Values, sessions: IntArray, seed: int) -> Figure:
    return Figure(**metrics.mean_with_interval(values, seed=seed, groups=sessions).model_dump())
