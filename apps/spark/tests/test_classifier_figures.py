"""Figures of probabilities, each against what arithmetic or a plain loop demands."""

from __future__ import annotations

import numpy as np
import pytest

from saran.spark.calibration import Calibration, fit
from saran.spark.classifier_figures import average_precision, best_threshold, bins, confusion, curve, figures, gain
from saran.spark.segment_names import matched_ids, names_of

BOUGHT = np.array([True, False, True, False, False])
CHANCES = np.array([0.9, 0.8, 0.7, 0.2, 0.2])


def test_figures_by_hand() -> None:
    said = figures(BOUGHT, CHANCES, seed=1, resamples=50)
    assert said["pr-auc"].value == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert said["roc-auc"].value == pytest.approx(5 / 6)
    assert said["brier"].value == pytest.approx((0.01 + 0.64 + 0.09 + 0.04 + 0.04) / 5)
    assert said["log-loss"].value == pytest.approx(-np.log([0.9, 0.2, 0.7, 0.8, 0.8]).mean())
    assert all(one.low <= one.value <= one.high for one in said.values())


def test_equal_chances_are_one_step_in_whatever_order_they_come() -> None:
    chances = np.full(5, 0.4)
    assert average_precision(BOUGHT, chances) == pytest.approx(0.4)
    assert average_precision(BOUGHT[::-1], chances) == pytest.approx(0.4)
    assert figures(BOUGHT, chances, seed=1, resamples=5)["roc-auc"].value == pytest.approx(0.5)


def test_ranking_equals_plain_pairs() -> None:
    rng = np.random.default_rng(2)
    chances = rng.integers(0, 20, 200) / 20
    bought = rng.random(200) < chances
    pairs = [(one > other) + 0.5 * (one == other) for one in chances[bought] for other in chances[~bought]]
    assert figures(bought, chances, seed=1, resamples=3)["roc-auc"].value == pytest.approx(np.mean(pairs))


def test_the_threshold_has_the_best_f1_and_counts_itself_in() -> None:
    threshold = best_threshold(BOUGHT, CHANCES)
    assert threshold == 0.7
    table = confusion(BOUGHT, CHANCES, threshold)
    assert (table.bought_foretold, table.bought_missed) == (2, 0)
    assert (table.not_bought_foretold, table.not_bought_missed) == (1, 2)


def test_a_gain_is_the_difference_of_areas_on_the_same_visitors() -> None:
    worse = np.array([0.1, 0.8, 0.7, 0.2, 0.3])
    found = gain(BOUGHT, CHANCES, worse, seed=1, resamples=50)
    # The better one finds its buyers first and third, the other one second and fifth.
    assert found.value == pytest.approx((1 + 2 / 3) / 2 - (1 / 2 + 2 / 5) / 2)
    assert found.low <= found.value <= found.high
    none = gain(BOUGHT, CHANCES, CHANCES, seed=1, resamples=50)
    assert (none.value, none.low, none.high) == (0, 0, 0)


def test_a_curve_has_a_point_for_each_probability() -> None:
    recall, precision = curve(BOUGHT, CHANCES)
    assert recall.tolist() == [0.5, 0.5, 1, 1]
    assert precision == pytest.approx([1, 1 / 2, 2 / 3, 2 / 5])


def test_bins_hold_everybody_once_and_do_not_part_equals() -> None:
    chances = np.array([0.1] * 6 + [0.5] * 3 + [0.9])
    groups = bins(np.arange(10) >= 8, chances, count=5)
    assert [group.visitors for group in groups] == [4, 6]
    assert groups[0].observed == pytest.approx(0.5)
    assert groups[0].predicted == pytest.approx((0.9 + 1.5) / 4)
    assert groups[1].observed == 0


def test_calibration_finds_the_curve_that_labels_were_drawn_from() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, 200_000)
    bought = rng.random(len(logits)) < Calibration(0.5, -2.0).probabilities(logits)
    found = fit(logits, bought)
    assert found == pytest.approx((0.5, -2.0), abs=0.03)
    assert found.probabilities(logits).mean() == pytest.approx(bought.mean(), abs=1e-4)


def test_calibration_finds_its_way_where_buyers_are_few() -> None:
    """A forest on classes of equal weight: a few values of the score, and hardly anybody buys."""
    logits = np.repeat([-0.93, 3.1, 4.3], [58_500, 1_500, 500])
    bought = np.concatenate([np.arange(58_500) < 140, np.arange(1_500) < 60, np.arange(500) < 24])
    found = fit(logits, bought)
    # Where the likelihood is highest, what is said and what was so agree in number and in the mean of the score.
    wanted = np.where(bought, 225 / 226, 1 / (60_500 - 224 + 2))
    assert found.slope > 0.3
    assert found.probabilities(logits).sum() == pytest.approx(wanted.sum(), rel=1e-6)
    assert (found.probabilities(logits) * logits).sum() == pytest.approx((wanted * logits).sum(), rel=1e-6)


def test_calibration_stays_finite_where_a_score_parts_the_classes_and_never_turns_the_order() -> None:
    parted = fit(np.array([-3.0, -2.0, 2.0, 3.0]), np.array([False, False, True, True]))
    assert 0 < parted.slope < 10
    turned = fit(np.array([3.0, 2.0, -2.0, -3.0]), np.array([False, False, True, True]))
    assert turned.slope == 0
    assert turned.probabilities(np.array([1.0])) == pytest.approx([0.5])


def _centre(events: float, carts: float, bought: float) -> dict[str, float]:
    return {"total_events": events, "total_addtocart": carts, "total_transactions": bought}


def test_names_are_of_centres_and_all_different() -> None:
    centres = [
        _centre(1.0, 0, 0),
        _centre(5, 0, 0),
        _centre(9, 0.1, 0),
        _centre(9, 2, 0.2),
        _centre(9, 2, 1),
        _centre(30, 9, 7),
    ]
    assert names_of(centres) == [
        "passer-by",
        "window shopper 2",
        "window shopper",
        "cart abandoner",
        "occasional buyer",
        "loyal buyer",
    ]


def test_ids_follow_the_nearest_centres_and_new_ones_are_free() -> None:
    old = np.array([[0.0, 0.0], [5.0, 5.0], [9.0, 0.0]])
    moved = np.array([[8.9, 0.2], [0.1, 0.0], [5.0, 4.0]])
    assert matched_ids(moved, old, [4, 2, 7]).tolist() == [7, 4, 2]
    assert matched_ids(moved[:2], old, [4, 2, 7]).tolist() == [7, 4]
    assert matched_ids(np.vstack([moved, [[50.0, 50.0]]]), old, [4, 2, 7]).tolist() == [7, 4, 2, 8]
    assert matched_ids(moved, np.zeros((0, 2)), []).tolist() == [0, 1, 2]
