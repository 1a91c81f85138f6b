"""ALS by MLlib: deterministic, blind to what it was not given, and solved by the API's fold-in to the same users."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from saran.core.confidence import Interactions
from saran.core.errors import SaranError
from saran.core.foldin import FoldIn
from saran.core.ranking import top_k
from saran.spark.als import ALSParameters, collect_factors, fit, train

PARAMETERS = ALSParameters(rank=12, iterations=4, alpha=2.0, regularization=0.05)
USERS, ITEMS = 120, 90


def _given(seed: int = 3) -> Interactions:
    """Every user and item occurs; strengths are floats that float32 rounds."""
    rng = np.random.default_rng(seed)
    liked = rng.random((USERS, ITEMS)) < 0.12
    liked[np.arange(USERS), np.arange(USERS) % ITEMS] = True
    users, items = np.nonzero(liked)
    return Interactions(users, items, rng.uniform(0.1, 9.0, len(users)))


@pytest.mark.spark
def test_two_trainings_are_equal_to_the_last_bit(spark: SparkSession, tmp_path: Path) -> None:
    one = train(spark, _given(), PARAMETERS, items=ITEMS, seed=5, checkpoints=str(tmp_path))
    two = train(spark, _given(), PARAMETERS, items=ITEMS, seed=5, checkpoints=str(tmp_path))
    assert one.dtype == np.float32
    assert np.array_equal(one, two)
    assert not np.array_equal(one, train(spark, _given(), PARAMETERS, items=ITEMS, seed=6, checkpoints=str(tmp_path)))


@pytest.mark.spark
def test_items_and_users_that_are_not_given_change_nothing(spark: SparkSession, tmp_path: Path) -> None:
    given = _given()
    spread = Interactions(given.users * 3, given.items * 2, given.strengths)
    wide = train(spark, spread, PARAMETERS, items=2 * ITEMS, seed=5, checkpoints=str(tmp_path))
    assert np.array_equal(wide[::2], train(spark, given, PARAMETERS, items=ITEMS, seed=5, checkpoints=str(tmp_path)))
    assert not wide[1::2].any()


@pytest.mark.spark
def test_fold_in_gives_the_users_of_mllib(spark: SparkSession) -> None:
    """MLlib's last half-step solves users against its final item factors; fold-in is that half-step.

    Both add up and solve in float64, MLlib from strengths rounded to float32, and round the answer to float32: two
    roundings of 2⁻²⁴, which the conditioning of the systems (below 30 here) can multiply.
    """
    given = _given()
    model = fit(spark, given, PARAMETERS, seed=5)
    users, theirs = collect_factors(model.userFactors)
    items, factors = collect_factors(model.itemFactors)
    assert np.array_equal(users, np.arange(USERS))
    assert np.array_equal(items, np.arange(ITEMS))
    foldin = FoldIn(factors, alpha=PARAMETERS.alpha, regularization=PARAMETERS.regularization)
    ours = foldin.solve(given, USERS)
    error = np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)
    assert error.max() < 30 * 2 * 2**-24
    for user in range(USERS):
        assert np.array_equal(top_k(factors @ ours[user], 20), top_k(factors @ theirs[user], 20))


@pytest.mark.spark
def test_many_iterations_do_not_overflow_the_stack_and_leave_nothing(spark: SparkSession, tmp_path: Path) -> None:
    """Without checkpoints, Java's stack overflows at some tens of iterations."""
    given = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3))
    parameters = ALSParameters(rank=2, iterations=60, blocks=1)
    factors = train(spark, given, parameters, items=2, seed=1, checkpoints=str(tmp_path))
    assert np.isfinite(factors).all()
    assert not list(tmp_path.iterdir())


def test_defaults_are_documented_and_valid() -> None:
    assert ALSParameters.of({}) == ALSParameters()
    assert all(field.description for field in ALSParameters.model_fields.values())


def test_text_values_are_understood() -> None:
    assert ALSParameters.of({"rank": "32", "alpha": "0.5"}) == ALSParameters(rank=32, alpha=0.5)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"ranks": "3"}, "there is no parameter ranks"),
        ({"rank": "0"}, "rank: Input should be greater than or equal to 1"),
        ({"alpha": "much"}, "alpha: Input should be a valid number"),
    ],
)
def test_a_wrong_parameter_is_named_with_those_that_exist(given: dict[str, str], reason: str) -> None:
    with pytest.raises(SaranError) as caught:
        ALSParameters.of(given)
    assert reason in caught.value.message
    assert caught.value.fix is not None
    assert "rank (40)" in caught.value.fix
