"""Maximal marginal relevance on likenesses that are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from saran.core.diversity import diversify

ITEMS = np.array([4, 1, 0, 3, 2])
SCORES = np.array([1.0, 0.9, 0.8, 0.5, 0.0], dtype=np.float32)


class Groups:
    """Items of the same parity are the same thing, others have nothing in common."""

    def likeness(self, item: int, others: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.where(others % 2 == item % 2, np.float32(1), np.float32(0))


def picked(diversity: float, k: int = 5) -> list[int]:
    return [int(place) for place in diversify(ITEMS, SCORES, k, diversity=diversity, model=Groups())]


def test_without_diversity_the_order_is_that_of_the_scores() -> None:
    assert picked(0.0) == [0, 1, 2, 3, 4]


def test_an_item_like_a_picked_one_waits() -> None:
    items, scores = np.array([0, 2, 4, 1]), np.array([1.0, 0.9, 0.8, 0.0], dtype=np.float32)
    # After item 0, item 2 is worth .9·(1 - d) - d and item 4 .8·(1 - d) - d, but item 1 is worth 0: it comes before
    # item 4 from d = .8 / 1.8 = .444 on, before item 2 from d = .9 / 1.9 = .474 on.
    orders = {0.44: [0, 1, 2, 3], 0.45: [0, 1, 3, 2], 0.47: [0, 1, 3, 2], 0.48: [0, 3, 1, 2], 1.0: [0, 3, 1, 2]}
    for diversity, order in orders.items():
        assert list(diversify(items, scores, 4, diversity=diversity, model=Groups())) == order
    assert list(diversify(items, scores, 2, diversity=0.48, model=Groups())) == [0, 3]


def test_any_scale_of_scores_gives_the_same_list() -> None:
    items = np.array([0, 2, 4, 1])
    for scale, shift in ((1.0, 0.0), (1000.0, -5.0), (1e-3, 7.0)):
        scores = np.array([1.0, 0.9, 0.8, 0.0], dtype=np.float32) * np.float32(scale) + np.float32(shift)
        assert list(diversify(items, scores, 4, diversity=0.48, model=Groups())) == [0, 3, 1, 2]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_items_than_asked_for_and_equal_scores(count: int) -> None:
    items, scores = np.arange(count), np.full(count, 2.0, dtype=np.float32)
    places = diversify(items, scores, 9, diversity=0.5, model=Groups())
    assert sorted(places) == list(range(count))
