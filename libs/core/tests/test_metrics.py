"""Metrics against values worked out by hand."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from saran.core.metrics import (
    coverage,
    diversity,
    hit,
    hits,
    mean_with_interval,
    ndcg,
    novelty,
    recall,
    reciprocal_rank,
)


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


def test_an_interval_draws_whole_groups() -> None:
    values = np.repeat([0.0, 1.0], 50)
    whole = mean_with_interval(values, seed=1, groups=np.repeat([0, 1], 50))
    assert (whole.value, whole.low, whole.high) == (0.5, 0.0, 1.0)
    single = mean_with_interval(values, seed=1)
    assert single.low > 0.35
    assert mean_with_interval(values, seed=1, groups=np.arange(100)) == single


def test_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_with_interval(np.zeros(0), seed=1)


def test_ndcg_with_the_ideal_over_all_relevant_items_by_hand() -> None:
    # One hit at rank 2 of 3 relevant at k = 2: the ideal list has three places, not two.
    found = np.array([[False, True]])
    expected = (1 / log2(3)) / (1 + 1 / log2(3) + 1 / 2)
    assert ndcg(found, _row(3), ideal="all") == pytest.approx([expected])
    assert ndcg(found, _row(2), ideal="all") == pytest.approx(ndcg(found, _row(3)))


def test_reciprocal_rank_and_hit_rate_look_at_the_first_hit() -> None:
    found = np.array([[False, True, True], [False, False, False], [True, False, False]])
    assert reciprocal_rank(found).tolist() == [0.5, 0.0, 1.0]
    assert hit(found).tolist() == [1.0, 0.0, 1.0]


def test_coverage_counts_the_items_that_any_list_shows_in_its_first_k() -> None:
    assert coverage([_row(0, 1, 4), _row(1, 2), _row()], 2, items=6) == pytest.approx(3 / 6)


def test_novelty_is_the_mean_self_information_in_bits() -> None:
    # Of 8 users, items 0 … 3 have 8, 4, 1 and none: 0, 1, 3 and (as one user) 3 bits.
    values = novelty([_row(0, 1), _row(2, 3, 0), _row()], 2, _row(8, 4, 1, 0), 8)
    assert values[:2].tolist() == [0.5, 3.0]
    assert np.isnan(values[2])


def test_diversity_is_one_minus_the_mean_cosine() -> None:
    # Users of items: 0 {0, 1}, 1 {0, 1}, 2 {1, 2}, 3 nobody. Cosines: 0–1 one, 0–2 and 1–2 a half, 3 none.
    starts, users = _row(0, 2, 4, 6, 6), _row(0, 1, 0, 1, 1, 2)
    lists = [_row(0, 1), _row(0, 1, 2), _row(0, 3), _row(2)]
    values = diversity(lists, 3, starts, users)
    assert values[:3] == pytest.approx([0.0, 1 - (1 + 0.5 + 0.5) / 3, 1.0])
    assert np.isnan(values[3])
    assert diversity(lists, 2, starts, users)[1] == pytest.approx(0.0), "of the first two only"
