"""Strengths and their sums over the last H events."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from saran.core.confidence import RateWeight, Weights, interactions, strengths
from saran.core.entities import ACTION_CODES


def test_each_action_has_its_weight() -> None:
    weights = Weights(view=1, click=2, add_to_cart=3, purchase=5, impression=0.5)
    names = ["view", "click", "add_to_cart", "purchase", "impression"]
    codes = np.array([ACTION_CODES[name] for name in names])
    assert list(strengths(codes, np.full(5, np.nan), weights)) == [1, 2, 3, 5, 0.5]


def test_ratings_count_above_a_floor_and_never_below_zero() -> None:
    weights = Weights(rate=RateWeight(minus=2.5, scale=2.0))
    values = np.array([5.0, 3.0, 2.5, 0.5, np.nan])
    result = strengths(np.full(5, ACTION_CODES["rate"]), values, weights)
    assert list(result) == [5.0, 1.0, 0.0, 0.0, 2.0]


def test_a_view_with_a_value_keeps_the_weight_of_a_view() -> None:
    assert list(strengths(np.array([ACTION_CODES["view"]]), np.array([7.0]), Weights(view=1.5))) == [1.5]


def test_repeats_add_up_by_item_within_the_last_h_events() -> None:
    users = np.array([0, 0, 0, 0, 2, 2])
    items = np.array([9, 4, 4, 7, 4, 4])  # oldest first
    given = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    summed = interactions(users, items, given, history=3)
    assert list(zip(summed.users, summed.items, summed.strengths, strict=True)) == [
        (0, 4, 5.0),
        (0, 7, 4.0),
        (2, 4, 11.0),
    ]


def test_unknown_items_and_events_of_no_interest_use_up_history() -> None:
    users = np.zeros(4, dtype=np.int64)
    summed = interactions(users, np.array([3, -1, 5, 6]), np.array([1.0, 1.0, 0.0, 2.0]), history=3)
    assert list(summed.items) == [6]


def test_nothing_gives_nothing() -> None:
    empty = np.zeros(0, dtype=np.int64)
    assert [len(column) for column in interactions(empty, empty, np.zeros(0), history=5)] == [0, 0, 0]


def test_weights_refuse_what_makes_no_sense() -> None:
    with pytest.raises(ValidationError, match="purchase"):
        Weights(purchase=-1)
    with pytest.raises(ValidationError, match="bought"):
        Weights.model_validate({"bought": 1})
