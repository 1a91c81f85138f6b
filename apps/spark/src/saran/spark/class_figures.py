"""How good guesses of a class are: by class, and of all; in counts of test items by what they are and what was said.

Intervals are percentile bootstraps over items. Items of one cell of a table of counts are alike, so a resample of the
items is a multinomial draw of the cells.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from saran.core.model_folder import Metric

Codes = NDArray[np.int64]
Counts = NDArray[np.float64]

ACCURACY: Final = "accuracy"
MACRO_F1: Final = "macro-f1"


def by_class(truth: Codes, said: Codes, classes: int) -> NDArray[np.float64]:
    """Precision, recall, F1 and support of each class, shape (classes, 4); 0 where nothing was, or was said."""
    table = _counts([truth, said], classes)
    return np.column_stack([*_scores(table), table.sum(axis=1)])


def figures(truth: Codes, said: Codes, classes: int, *, seed: int, resamples: int = 500) -> dict[str, Metric]:
    """Accuracy, and the mean F1 of the classes that the test items have."""
    table = _counts([truth, said], classes)
    drawn = _drawn(table, seed, resamples)
    accuracy = np.trace(drawn, axis1=-2, axis2=-1) / len(truth)
    return {
        ACCURACY: _metric(float(np.trace(table)) / len(truth), accuracy),
        MACRO_F1: _metric(float(_macro_f1(table)), _macro_f1(drawn)),
    }


def gain(truth: Codes, said: Codes, others: Codes, classes: int, *, seed: int, resamples: int = 500) -> Metric:
    """Macro-F1 of `said` less that of `others`, on the same items."""
    table = _counts([truth, said, others], classes)
    drawn = _drawn(table, seed, resamples)

    def of(counts: Counts) -> Counts:
        return _macro_f1(counts.sum(axis=-1)) - _macro_f1(counts.sum(axis=-2))

    return _metric(float(of(table)), of(drawn))


def _counts(codes: list[Codes], classes: int) -> Counts:
    shape = (classes,) * len(codes)
    flat = np.ravel_multi_index(tuple(codes), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)


def _drawn(table: Counts, seed: int, resamples: int) -> Counts:
    count = int(table.sum())
    drawn = np.random.default_rng(seed).multinomial(count, table.ravel() / count, size=resamples)
    return drawn.reshape(resamples, *table.shape).astype(np.float64)


def _scores(table: Counts) -> tuple[Counts, Counts, Counts]:
    hits = np.diagonal(table, axis1=-2, axis2=-1)
    was, said = table.sum(axis=-1), table.sum(axis=-2)
    return _share(hits, said), _share(hits, was), _share(2 * hits, was + said)


def _macro_f1(table: Counts) -> Counts:
    there = table.sum(axis=-1) > 0
    found: Counts = (_scores(table)[2] * there).sum(axis=-1) / there.sum(axis=-1)
    return found


def _share(part: Counts, whole: Counts) -> Counts:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def _metric(value: float, drawn: Counts) -> Metric:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Metric(value=value, low=float(low), high=float(high))
