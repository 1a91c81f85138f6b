"""What the API folds in is what training would have found: an exact half-step of ALS for every training user."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
from libs.core.tests.test_recommender import manifest

from saran.core.confidence import FloatArray, Interactions, Weights, interactions, strengths
from saran.core.foldin import FoldIn
from saran.core.model_folder import RecommenderModel
from saran.core.model_parts import als_part
from saran.core.recommender import History, Recommender
from saran.spark.als_local import item_factors
from saran.spark.als_parameters import ALSParameters

USERS, ITEMS, HISTORY, K = 200, 150, 40, 20
PARAMETERS: Final = ALSParameters(rank=24, iterations=4, alpha=2.0, regularization=0.02)


def histories() -> list[History]:
    """Of 1 to 90 events, so that some are longer than what counts, and longer and shorter than the rank."""
    rng = np.random.default_rng(11)
    crowd = []
    for user in range(USERS):
        count = 1 + user * 90 // USERS
        liked = (rng.geometric(0.03, size=count) + 40 * (user % 3)) % ITEMS
        crowd.append(History([f"i{item}" for item in liked], rng.integers(0, 4, size=count), np.full(count, np.nan)))
    return crowd


def trained_on(crowd: list[History]) -> Interactions:
    """The trainer's interactions: one confidence function, cut at the same number of events."""
    users = np.repeat(np.arange(USERS), [len(one.item_ids) for one in crowd])
    items = np.array([int(item[1:]) for one in crowd for item in one.item_ids])
    strength = strengths(
        np.concatenate([one.actions for one in crowd]), np.concatenate([one.values for one in crowd]), Weights()
    )
    return interactions(users, items, strength, history=HISTORY)


def half_step(factors: FloatArray, items: np.ndarray, strength: FloatArray) -> FloatArray:
    """The user's factor by Cholesky: (YᵀY + Yᵤᵀ C Yᵤ + lambda·n·I) x = Yᵤᵀ (1 + c)."""
    own, confidence = factors[items], PARAMETERS.alpha * strength
    matrix = factors.T @ factors + (own.T * confidence) @ own
    matrix += PARAMETERS.regularization * len(items) * np.eye(PARAMETERS.rank)
    lower = np.linalg.cholesky(matrix)
    return np.asarray(np.linalg.solve(lower.T, np.linalg.solve(lower, own.T @ (1 + confidence))))


def test_every_training_user_is_folded_in_exactly_and_gets_the_exact_list() -> None:
    crowd = histories()
    given = trained_on(crowd)
    assert max(len(one.item_ids) for one in crowd) > HISTORY
    factors = item_factors(given, PARAMETERS, items=ITEMS, seed=3)
    wide = factors.astype(np.float64)
    bounds = np.searchsorted(given.users, np.arange(USERS + 1))
    exact = np.array(
        [half_step(wide, given.items[start:stop], given.strengths[start:stop]) for start, stop in pairwise(bounds)]
    )
    alpha, regularization = PARAMETERS.alpha, PARAMETERS.regularization
    folded = FoldIn(factors, alpha=alpha, regularization=regularization).solve(given, USERS)
    off = np.linalg.norm(folded - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert off.max() < 1e-4

    items = pa.table({"item_id": [f"i{item}" for item in range(ITEMS)]})
    part = als_part(factors, alpha=alpha, regularization=regularization)
    served = Recommender(RecommenderModel(manifest(ITEMS, HISTORY), {"als": part}, np.arange(ITEMS), items))
    for one, vector, answer in zip(crowd, exact, served.recommend(crowd, K), strict=True):
        scores = wide @ vector
        scores[[int(item[1:]) for item in one.item_ids]] = -np.inf
        best = np.sort(scores)[::-1][:K]
        # Ties may come in any order; the scores at each rank may not differ.
        np.testing.assert_allclose(scores[answer.items], best[: len(answer.items)], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(answer.scores, best[: len(answer.items)], rtol=1e-4, atol=1e-5)
