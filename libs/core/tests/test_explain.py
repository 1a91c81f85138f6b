"""Shares of a history sum to the score, for every scorer that explains."""

from __future__ import annotations

import numpy as np
import pytest

from saran.core.confidence import Interactions
from saran.core.explain import Explains
from saran.core.foldin import FoldIn
from saran.core.rows import Rows
from saran.core.scorers import (
    Blend,
    Factors,
    ItemScorer,
    ItemWeights,
    Neighbours,
    Popularity,
    Scorer,
    Unweighted,
    shares_of,
)

COUNT = 40
GENERATOR = np.random.default_rng(3)
FACTORS = GENERATOR.normal(size=(COUNT, 6)).astype(np.float32)
WEIGHTS = GENERATOR.normal(size=(COUNT, COUNT)).astype(np.float32)
ALS = Factors(FoldIn(FACTORS, alpha=7.0, regularization=0.3))


def neighbours() -> Neighbours:
    sizes = GENERATOR.integers(0, 8, size=COUNT)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    items = np.concatenate([GENERATOR.choice(COUNT, size, replace=False) for size in sizes]).astype(np.int32)
    return Neighbours(Rows(starts, items, GENERATOR.random(len(items)).astype(np.float32)))


SCORERS: dict[str, Scorer] = {
    "als": ALS,
    "unweighted": Unweighted(ALS),
    "weights": ItemWeights(WEIGHTS),
    "neighbours": neighbours(),
    "blend": Blend([ALS, ItemWeights(WEIGHTS), Unweighted(ALS)], [0.5, 0.0, 0.2]),
}
HISTORIES = {
    "one": Interactions(np.zeros(1, dtype=np.int64), np.array([4]), np.array([2.5])),
    "few": Interactions(np.zeros(3, dtype=np.int64), np.array([0, 7, 39]), np.array([1.0, 3.0, 0.5])),
    "many": Interactions(np.zeros(30, dtype=np.int64), np.arange(30), np.linspace(0.1, 5.0, 30)),
}


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("length", HISTORIES)
def test_shares_sum_to_the_score(name: str, length: str) -> None:
    scorer, given = SCORERS[name], HISTORIES[length]
    assert isinstance(scorer, Explains)
    asked = np.array([39, 0, 12, 5])
    shares, means = scorer.explain(given, asked)
    assert shares.shape == (len(given.items), len(asked))
    np.testing.assert_allclose(shares.sum(axis=0), scorer.scores(given, 1)[0, asked], rtol=1e-4, atol=1e-5)
    every, _ = scorer.explain(given, np.arange(COUNT))
    np.testing.assert_allclose(means, every.mean(axis=1), rtol=1e-6, atol=1e-7)


def test_a_share_in_matrix_factorisation_is_that_of_the_paper() -> None:
    given = HISTORIES["few"]
    y, c = FACTORS.astype(np.float64), 7.0 * given.strengths
    mine = y[given.items]
    w = np.linalg.inv(y.T @ y + (mine.T * c) @ mine + 0.3 * 3 * np.eye(6))
    expected = (y[12] @ w @ mine.T) * (1 + c)  # s_ij of item 12 and each of the history, times its confidence
    np.testing.assert_allclose(ALS.explain(given, np.array([12])).shares[:, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["als", "unweighted", "weights", "neighbours"])
def test_likeness_to_some_items_is_that_to_all(name: str) -> None:
    scorer: ItemScorer = SCORERS[name]  # type: ignore[assignment]  # these four are
    others = np.array([39, 0, 12, 5, 7, 20])
    for item in (4, 9, 30):
        every = scorer.like(item)[others]
        told = scorer.likeness(item, others)
        np.testing.assert_allclose(told[np.isfinite(every)], every[np.isfinite(every)], rtol=1e-5)
        assert np.all(told[~np.isfinite(every)] == 0)


def test_what_popularity_adds_is_nobodys_share() -> None:
    given = HISTORIES["few"]
    popular = Popularity(np.arange(COUNT))
    asked = np.array([39, 0, 12])
    alone = Blend([ALS], [0.5]).explain(given, asked).shares
    np.testing.assert_array_equal(Blend([ALS, popular], [0.5, 0.5]).explain(given, asked).shares, alone)
    np.testing.assert_array_equal(shares_of(popular, given, asked).shares, np.zeros((3, 3)))


def test_a_part_that_says_nothing_shares_nothing() -> None:
    silent = ItemWeights(np.zeros((COUNT, COUNT), dtype=np.float32))
    assert not Blend([silent], [1.0]).explain(HISTORIES["few"], np.arange(4)).shares.any()
