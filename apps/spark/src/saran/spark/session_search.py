"""The session models' parameters and the mixture's weights, chosen within a budget on folds of training alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from saran.core import metrics
from saran.core.confidence import IntArray
from saran.spark.parameter_search import Budget, Choice, Found, Tell, search, select_forward
from saran.spark.session_files import Cases, Sequences, make_session_folds
from saran.spark.session_kernel import Answers
from saran.spark.session_models import BASELINES, PARTS, SESSIONS, Visits, mixture

LIBRARY: Final = 2
"""Of each part, so many parameters take part in the mixture: the best ones."""


@dataclass(frozen=True)
class Fold:
    """Older sessions to learn from, and what to look for in the ones after them."""

    visits: Visits
    cases: Cases

    def quality(self, answers: Answers, k: int) -> float:
        """What is made as high as possible: the mean of HR@k and MRR@k."""
        found = found_in(answers, self.cases.wanted, k)
        return float((metrics.hit(found).mean() + metrics.reciprocal_rank(found).mean()) / 2)


def make_folds(train: Sequences, items: int, *, count: int, seed: int) -> list[Fold]:
    """As `make_session_folds` parts the training sessions."""
    return [Fold(Visits(learnt, items), cases) for learnt, cases in make_session_folds(train, count=count, seed=seed)]


def found_in(answers: Answers, wanted: IntArray, k: int) -> NDArray[np.bool_]:
    """Whether each of the first k named items is the wanted one, shape (cases, k), as of `metrics.hits`."""
    head = answers.items[:, :k]
    found = np.zeros((len(wanted), k), dtype=np.bool_)
    found[:, : head.shape[1]] = (head == wanted[:, None]) & (np.arange(head.shape[1]) < answers.lengths[:, None])
    return found


def search_models(folds: Sequence[Fold], k: int, *, budget: Budget, tell: Tell) -> dict[str, Found[list[Answers]]]:
    """The best parameters of each baseline and, `LIBRARY` of them, of each part, with their answers on each fold."""
    kinds = {**BASELINES, **PARTS}

    def attempt(model: str, parameters: BaseModel) -> tuple[float, list[Answers]]:
        answers = [kinds[model].answer(fold.visits, parameters, fold.cases.prefixes) for fold in folds]
        return _mean(folds, k, answers), answers

    keep = {model: LIBRARY if model in PARTS else 1 for model in kinds}
    return search(kinds, attempt, keep=keep, budget=budget, tell=tell)


def search_mixture(
    parts: Mapping[str, Sequence[Answers]], folds: Sequence[Fold], k: int, *, trials: int, tell: Tell
) -> Choice:
    """Weights of the parts; `parts` holds each one's answers on each fold."""
    names = list(parts)
    items = folds[0].visits.item_count

    def add(votes: NDArray[np.int64], name: str) -> NDArray[np.int64]:
        more = votes.copy()
        more[names.index(name)] += 1
        return more

    def value_of(votes: NDArray[np.int64]) -> float:
        by_fold = zip(*(parts[name] for name in names), strict=True)
        return _mean(folds, k, [mixture(answers, (votes / votes.sum()).tolist(), items) for answers in by_fold])

    nothing = np.zeros(len(names), dtype=np.int64)
    return select_forward(SESSIONS, names, nothing, add, value_of, trials=trials, tell=tell)


def _mean(folds: Sequence[Fold], k: int, answers: Sequence[Answers]) -> float:
    values = [fold.quality(own, k) for own, fold in zip(answers, folds, strict=True)]
    return float(np.average(values, weights=[len(fold.cases.wanted) for fold in folds]))
