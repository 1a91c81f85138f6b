"""Scorers and the lists made of them, on matrices small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from saran.core.confidence import Interactions, Weights
from saran.core.entities import ACTION_CODES, Action
from saran.core.foldin import FoldIn
from saran.core.recommender import History, Ranker
from saran.core.rows import Rows
from saran.core.scorers import (
    Blend,
    Factors,
    ItemWeights,
    Neighbours,
    Popularity,
    Scorer,
    Unweighted,
    standardised,
)

GIVEN = Interactions(np.array([0, 0, 2]), np.array([0, 2, 1]), np.array([1.0, 4.0, 2.0]))
"""User 0 has items 0 and 2, user 1 nothing, user 2 item 1."""


def test_popularity_is_the_same_for_all_with_a_history() -> None:
    assert Popularity(np.array([3, 1, 2])).scores(GIVEN, 3).tolist() == [[3, 1, 2], [0, 0, 0], [3, 1, 2]]


def test_item_weights_add_up_the_rows_of_the_history() -> None:
    weights = np.array([[0, 1, 2], [3, 0, 4], [5, 6, 0]], dtype=np.float32)
    assert ItemWeights(weights).scores(GIVEN, 3).tolist() == [[5, 7, 2], [0, 0, 0], [3, 0, 4]]


def test_neighbours_are_the_same_model_with_only_the_votes_stored() -> None:
    # Nothing is near to item 0, items 2 and 0 are near to item 1, and item 0 to item 2.
    starts, items = np.array([0, 0, 2, 3]), np.array([2, 0, 0], dtype=np.int32)
    neighbours = Neighbours(Rows(starts, items, np.array([2, 0.5, 0.25], dtype=np.float32)))
    assert neighbours.scores(GIVEN, 3).tolist() == [[0, 2.5, 0.25], [0, 0, 0], [0, 0, 0]]
    nothing = -np.inf
    assert [neighbours.like(item).tolist() for item in range(3)] == [
        [nothing, nothing, nothing],
        [0.5, nothing, 2],
        [0.25, nothing, nothing],
    ]


def test_items_alike_by_weights_are_those_of_positive_weight() -> None:
    weights = np.array([[0, 1, -2], [3, 0, 4], [5, 6, 0]], dtype=np.float32)
    assert ItemWeights(weights).like(0).tolist() == [-np.inf, 1, -np.inf]


def test_unweighted_forgets_strengths() -> None:
    factors = np.array([[1.0], [2.0], [3.0]], dtype=np.float32)
    scorer = Factors(FoldIn(factors, alpha=1.0, regularization=1.0))
    # (14 + Σy² + 2) x = Σ 2y for the history {1, 3}: x = 8 / 26.
    assert Unweighted(scorer).scores(GIVEN, 3)[0] == pytest.approx(np.array([1, 2, 3]) * 8 / 26)
    assert scorer.scores(GIVEN, 3)[0, 0] == pytest.approx((2 * 1 + 5 * 3) / (14 + 1 + 4 * 9 + 2))


def test_standardised_rows_have_mean_0_and_deviation_1() -> None:
    rows = standardised(np.array([[1, 3], [7, 7], [0, 0]], dtype=np.float32))
    assert rows.tolist() == [[-1, 1], [0, 0], [0, 0]]


def test_a_blend_weighs_standardised_scores() -> None:
    first = ItemWeights(np.array([[0, 1], [1, 0]], dtype=np.float32))
    second = Popularity(np.array([100, 900]))
    given = Interactions(np.array([0, 1]), np.array([0, 1]), np.ones(2))
    # Standardised: user 0 has (-1, 1) by both, user 1 (1, -1) and (-1, 1).
    assert Blend([first, second], [0.75, 0.25]).scores(given, 2).tolist() == [[-1, 1], [0.5, -0.5]]


def ranker(scorer: Scorer) -> Ranker:
    return Ranker(["a", "b", "c", "d"], scorer, np.array([2, 0, 3, 1]), weights=Weights(), history_length=100)


def history(*items: str) -> History:
    return History(list(items), np.full(len(items), ACTION_CODES[Action.VIEW]), np.full(len(items), np.nan))


def test_only_allowed_items_are_listed_personal_or_not() -> None:
    weights = np.array([[0, 3, 1, 2], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], dtype=np.float32)
    everyone = [history("a"), history("b"), history()]
    allowed = [np.array([0, 2, 3]), np.array([0, 1, 3]), np.array([1, 2])]
    answers = ranker(ItemWeights(weights)).recommend(everyone, 9, allowed=allowed)
    assert [(list(answer.items), answer.personal) for answer in answers] == [
        ([3, 2], True),
        ([0, 3], False),
        ([2, 1], False),
    ]
