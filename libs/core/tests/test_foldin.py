"""Fold-in against the equation of the paper, solved one user at a time in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from saran.core.confidence import Interactions
from saran.core.foldin import FoldIn


def by_the_paper(
    factors: NDArray[np.float32], items: list[int], strengths: list[float], *, alpha: float, regularization: float
) -> NDArray[np.float64]:
    """(YᵀY + Yᵀ(C - I)Y + lambda·n·I)⁻¹ Yᵀ C p with dense matrices over all items."""
    y = factors.astype(np.float64)
    confidence = np.zeros(len(y))
    confidence[items] = alpha * np.array(strengths)
    preference = np.zeros(len(y))
    preference[items] = 1.0
    matrix = y.T @ y + y.T @ np.diag(confidence) @ y + regularization * len(items) * np.eye(y.shape[1])
    return np.asarray(np.linalg.solve(matrix, y.T @ ((1.0 + confidence) * preference)))


def given(rows: list[tuple[list[int], list[float]]]) -> Interactions:
    return Interactions(
        np.repeat(np.arange(len(rows)), [len(items) for items, _ in rows]),
        np.array([item for items, _ in rows for item in items], dtype=np.int64),
        np.array([strength for _, strengths in rows for strength in strengths], dtype=np.float64),
    )


@pytest.mark.parametrize("alpha", [0.0, 0.5, 40.0])
@pytest.mark.parametrize("regularization", [1e-6, 0.1, 5.0])
@pytest.mark.parametrize("scale", [0.01, 1.0])
def test_every_length_of_history_equals_the_paper(alpha: float, regularization: float, scale: float) -> None:
    generator = np.random.default_rng(7)
    factors = (generator.normal(size=(300, 16)) * scale).astype(np.float32)
    rows = []
    for length in [0, 1, 2, 15, 16, 17, 40, 150, 1]:  # below, at and above the 16 factors: dual and primal
        items = sorted(int(item) for item in generator.choice(300, size=length, replace=False))
        rows.append((items, [float(value) for value in generator.uniform(0.2, 9.0, size=length)]))
    solved = FoldIn(factors, alpha=alpha, regularization=regularization).solve(given(rows), len(rows))
    assert solved.dtype == np.float32
    assert not solved[0].any()
    for user, (items, strengths) in enumerate(rows[1:], start=1):
        expected = by_the_paper(factors, items, strengths, alpha=alpha, regularization=regularization)
        error = np.linalg.norm(solved[user] - expected) / np.linalg.norm(expected)
        assert error < 1e-5, f"user {user} with {len(items)} items"


def test_factors_of_lower_rank_than_their_width_are_solved_too() -> None:
    generator = np.random.default_rng(3)
    factors = np.repeat(generator.normal(size=(50, 4)), 2, axis=1).astype(np.float32)  # 8 columns of rank 4
    solved = FoldIn(factors, alpha=10.0, regularization=0.05).solve(given([([1, 4, 9], [1.0, 2.0, 1.0])]), 1)
    expected = by_the_paper(factors, [1, 4, 9], [1.0, 2.0, 1.0], alpha=10.0, regularization=0.05)
    np.testing.assert_allclose(solved[0], expected, rtol=1e-4)


def test_one_factor_one_item_is_a_fraction() -> None:
    # x = y(1 + αs) / (ΣY² + αs·y² + λ) = 2·(1 + 3·1) / (4 + 1 + 3·1·4 + 0.5)
    foldin = FoldIn(np.array([[2.0], [1.0]], dtype=np.float32), alpha=3.0, regularization=0.5)
    assert foldin.solve(given([([0], [1.0])]), 1)[0, 0] == pytest.approx(8 / 17.5)


def test_users_solved_together_equal_users_solved_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    factors = generator.normal(size=(100, 8)).astype(np.float32)
    rows = [
        (sorted(int(i) for i in generator.choice(100, size=size, replace=False)), [1.0] * size)
        for size in generator.integers(1, 30, size=40)
    ]
    foldin = FoldIn(factors, alpha=2.0, regularization=0.1)
    together = foldin.solve(given(rows), len(rows))
    monkeypatch.setattr("saran.core.foldin._CHUNK_VALUES", 500)  # a few users a chunk
    np.testing.assert_allclose(foldin.solve(given(rows), len(rows)), together, rtol=1e-6)
    alone = np.concatenate([foldin.solve(given([row]), 1) for row in rows])
    np.testing.assert_allclose(alone, together, rtol=1e-6)
