"""top_k against a full sort, and the cases where the two could part."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from saran.core.ranking import top_k, top_k_rows


def by_full_sort(scores: NDArray[np.float32], k: int) -> list[int]:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return [i for i in order if scores[i] > -np.inf][:k]


@pytest.mark.parametrize("count", [1, 5, 127, 128, 129, 1280, 5000])
@pytest.mark.parametrize("k", [1, 3, 10, 200])
def test_equals_a_full_sort(count: int, k: int) -> None:
    generator = np.random.default_rng(count * 1000 + k)
    scores = generator.normal(size=(7, count)).astype(np.float32)
    scores[generator.random(scores.shape) < 0.2] = -np.inf
    answers = top_k_rows(scores, k)
    assert [list(row) for row in answers] == [by_full_sort(row, k) for row in scores]


def test_equal_scores_come_by_smaller_index_also_across_blocks() -> None:
    scores = np.zeros((2, 1000), dtype=np.float32)
    scores[1, [999, 130, 3]] = 1.0
    first, second = top_k_rows(scores, 5)
    assert list(first) == [0, 1, 2, 3, 4]
    assert list(second) == [3, 130, 999, 0, 1]


def test_what_is_excluded_never_comes_back() -> None:
    scores = np.full(2000, -np.inf, dtype=np.float32)
    assert list(top_k(scores, 10)) == []
    scores[1500] = -3.0
    assert list(top_k(scores, 10)) == [1500]


def test_k_beyond_the_catalogue_and_nothing_asked() -> None:
    scores = np.array([0.5, 2.0, 1.0], dtype=np.float32)
    assert list(top_k(scores, 99)) == [1, 2, 0]
    assert list(top_k(scores, 0)) == []
    assert top_k_rows(np.zeros((0, 3), dtype=np.float32), 2) == []
