"""How good probabilities are: ranking, sharpness, calibration, lift, and what a threshold does.

All in double, over the test visitors: `bought` (n,) says what was so, `chances` (n,) what was said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saran.core.model_folder import Metric
from saran.core.visitor_models import Bin, Confusion

Flags = NDArray[np.bool_]
Chances = NDArray[np.float64]

PR_AUC: Final = "pr-auc"
_FINITE: Final = 1e-12


def figures(bought: Flags, chances: Chances, *, seed: int, resamples: int = 500) -> dict[str, Metric]:
    """PR-AUC, ROC-AUC, log-loss and Brier score with 95 % percentile bootstrap intervals over visitors.

    Both classes must be there; a resample without one of them is drawn again.
    """
    order, ends = _descending(chances)
    flags = bought[order].astype(np.float64)
    given = np.clip(chances[order], _FINITE, 1 - _FINITE)
    losses = -np.where(flags > 0, np.log(given), np.log1p(-given))
    squares = np.square(given - flags)
    rng = np.random.default_rng(seed)

    def of(weights: NDArray[np.float64]) -> tuple[float, float, float, float]:
        ranked = _ranking(weights * flags, weights, ends)
        return (*ranked, float(losses @ weights / weights.sum()), float(squares @ weights / weights.sum()))

    values = of(np.ones(len(flags)))
    drawn = [of(weights) for weights in _resampled(flags, rng, resamples)]
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    names = (PR_AUC, "roc-auc", "log-loss", "brier")
    return {
        name: Metric(value=value, low=float(least), high=float(most))
        for name, value, least, most in zip(names, values, low, high, strict=True)
    }


def gain(bought: Flags, chances: Chances, others: Chances, *, seed: int, resamples: int = 500) -> Metric:
    """PR-AUC of `chances` less that of `others`, on the same visitors, with its 95 % percentile bootstrap interval."""
    flags = bought.astype(np.float64)
    sides = [(order, ends) for order, ends in (_descending(chances), _descending(others))]

    def of(weights: Chances) -> float:
        one, other = (_ranking((weights * flags)[order], weights[order], ends)[0] for order, ends in sides)
        return one - other

    drawn = [of(weights) for weights in _resampled(flags, np.random.default_rng(seed), resamples)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Metric(value=of(np.ones(len(flags))), low=float(low), high=float(high))


def curve(bought: Flags, chances: Chances) -> tuple[Chances, Chances]:
    """Recall and precision where the threshold is each probability that occurs, highest first."""
    order, ends = _descending(chances)
    found = np.cumsum(bought[order])[ends]
    return found / found[-1], found / (ends + 1)


def average_precision(bought: Flags, chances: Chances) -> float:
    """The area under the precision-recall curve by steps, without interpolation: equal chances are one step."""
    order, ends = _descending(chances)
    flags = bought[order].astype(np.float64)
    return _ranking(flags, np.ones(len(flags)), ends)[0]


def best_threshold(bought: Flags, chances: Chances) -> float:
    """The least probability that is foretold as a purchase, where F1 is highest."""
    order, ends = _descending(chances)
    hits = np.cumsum(bought[order])[ends]
    f1 = 2 * hits / (ends + 1 + bought.sum())
    return float(chances[order][ends][int(np.argmax(f1))])


def confusion(bought: Flags, chances: Chances, threshold: float) -> Confusion:
    """What foretelling from `threshold` on does."""
    foretold = chances >= threshold
    return Confusion(
        bought_foretold=int(np.count_nonzero(bought & foretold)),
        bought_missed=int(np.count_nonzero(bought & ~foretold)),
        not_bought_foretold=int(np.count_nonzero(~bought & foretold)),
        not_bought_missed=int(np.count_nonzero(~bought & ~foretold)),
    )


def bins(bought: Flags, chances: Chances, *, count: int = 10) -> list[Bin]:
    """About `count` groups of equal size, likeliest first; visitors of one probability stay together."""
    order, ends = _descending(chances)
    wanted = np.arange(1, count + 1) * len(order) / count - 1
    stops = np.unique(ends[np.searchsorted(ends, wanted.astype(np.int64))])
    made = []
    start = 0
    for stop in stops + 1:
        group = order[start:stop]
        made.append(
            Bin(visitors=len(group), predicted=float(chances[group].mean()), observed=float(bought[group].mean()))
        )
        start = stop
    return made


def _resampled(flags: Chances, rng: np.random.Generator, resamples: int) -> Iterator[Chances]:
    """How often each visitor is in a resample; one without both classes is drawn again."""
    made = 0
    while made < resamples:
        weights = np.bincount(rng.integers(0, len(flags), len(flags)), minlength=len(flags)).astype(np.float64)
        if 0 < weights @ flags < weights.sum():
            made += 1
            yield weights


def _descending(chances: Chances) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places by probability, highest first, and the last place of each run of equals."""
    order = np.argsort(-chances, kind="stable")
    ranked = chances[order]
    return order, np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)


def _ranking(hits: Chances, weights: Chances, ends: NDArray[np.int64]) -> tuple[float, float]:
    """Average precision and area under the ROC curve, from weights in descending order of probability."""
    found, seen = np.cumsum(hits)[ends], np.cumsum(weights)[ends]
    gained = np.diff(found, prepend=0.0)
    with np.errstate(invalid="ignore"):
        precision = np.where(seen > 0, found / seen, 0.0)
    wrong = np.diff(seen - found, prepend=0.0)
    positives, negatives = found[-1], seen[-1] - found[-1]
    area = float((wrong * (found - gained / 2)).sum() / (positives * negatives))
    return float((gained * precision).sum() / positives), area
