"""Metrics against values worked out by hand."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from saran.core.metrics import hits, mean_with_interval, ndcg, recall


def _row(*items: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(items, dtype=np.int64)


def test_hits_marks_relevant_ranks_and_pads_short_lists() -> None:
    found = hits([_row(5, 1, 7, 9), _row(2)], [_row(7, 5), _row(3, 2)], k=3)
    assert found.tolist() == [[True, False, True], [True, False, False]]


def test_ndcg_by_hand() -> None:
    # First user: hits at ranks 1 and 3 of 2 relevant. Second: one hit at rank 2 of 5 relevant, ideal cut at k = 3.
    found = np.array([[True, False, True], [False, True, False]])
    ideal_two = 1 + 1 / log2(3)
    ideal_three = 1 + 1 / log2(3) + 1 / 2
    expected = [(1 + 1 / 2) / ideal_two, (1 / log2(3)) / ideal_three]
    assert ndcg(found, _row(2, 5)) == pytest.approx(expected)


def test_ndcg_is_one_when_every_place_is_relevant_although_more_items_are() -> None:
    assert ndcg(np.ones((1, 10), dtype=np.bool_), _row(25)) == pytest.approx([1.0])


def test_ndcg_is_zero_without_a_hit() -> None:
    assert ndcg(np.zeros((1, 10), dtype=np.bool_), _row(1)).tolist() == [0.0]


def test_recall_divides_by_all_relevant() -> None:
    found = np.array([[True, True, False], [False, False, True]])
    assert recall(found, _row(4, 1)).tolist() == [0.5, 1.0]


def test_interval_of_equal_values_is_the_value() -> None:
    metric = mean_with_interval(np.full(50, 0.25), seed=1)
    assert (metric.value, metric.low, metric.high) == (0.25, 0.25, 0.25)


def test_interval_has_the_width_of_the_normal_one() -> None:
    values = np.random.default_rng(0).random(2000)
    metric = mean_with_interval(values, seed=3, resamples=4000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert metric.value == pytest.approx(values.mean())
    assert metric.low == pytest.approx(values.mean() - half, abs=half / 10)
    assert metric.high == pytest.approx(values.mean() + half, abs=half / 10)


def test_interval_is_a_function_of_the_seed() -> None:
    values = np.random.default_rng(0).random(100)
    assert mean_with_interval(values, seed=5) == mean_with_interval(values, seed=5)
    assert mean_with_interval(values, seed=5) != mean_with_interval(values, seed=6)


def test_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_with_interval(np.zeros(0), seed=1)
