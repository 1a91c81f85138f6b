"""ALS: deterministic, blind to what it was not given, exact where steps are enough, and going on after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from saran.core.confidence import Interactions
from saran.core.errors import SaranError
from saran.core.foldin import FoldIn
from saran.core.ranking import top_k
from saran.core.rows import Rows, transposed
from saran.spark import als_blocks
from saran.spark.als import train
from saran.spark.als_kernel import solve_rows
from saran.spark.als_mllib import collect_factors, fit
from saran.spark.als_parameters import ALSParameters

PARAMETERS = ALSParameters(rank=12, iterations=4, alpha=2.0, regularization=0.05)
MLLIB = PARAMETERS.model_copy(update={"solver": "mllib"})
USERS, ITEMS = 120, 90

SOLVERS = pytest.mark.parametrize("parameters", [PARAMETERS, MLLIB], ids=lambda parameters: parameters.solver)


def _given(seed: int = 3) -> Interactions:
    """Every user and item occurs; strengths are floats that float32 rounds."""
    rng = np.random.default_rng(seed)
    liked = rng.random((USERS, ITEMS)) < 0.12
    liked[np.arange(USERS), np.arange(USERS) % ITEMS] = True
    users, items = np.nonzero(liked)
    return Interactions(users, items, rng.uniform(0.1, 9.0, len(users)))


def _rows(given: Interactions) -> Rows:
    starts = np.r_[0, np.cumsum(np.bincount(given.users, minlength=USERS))].astype(np.int64)
    return Rows(starts, given.items.astype(np.int32), given.strengths.astype(np.float32))


def _solve(rows: Rows, other: NDArray[np.float32], parameters: ALSParameters, steps: int) -> NDArray[np.float32]:
    solved = np.zeros((len(rows.starts) - 1, other.shape[1]), dtype=np.float32)
    gram = other.T @ other
    alpha, regularization = np.float32(parameters.alpha), np.float32(parameters.regularization)
    solve_rows(*rows, other, gram, alpha, regularization, steps, solved)
    return solved


def _loss(given: Interactions, factors: NDArray[np.float32], parameters: ALSParameters) -> float:
    """What implicit ALS minimises (Hu, Koren, Volinsky 2008, equation 3), with users solved exactly."""
    foldin = FoldIn(factors, alpha=parameters.alpha, regularization=parameters.regularization)
    users = foldin.solve(given, USERS).astype(np.float64)
    wide = factors.astype(np.float64)
    confidence, wanted = np.ones((USERS, ITEMS)), np.zeros((USERS, ITEMS))
    confidence[given.users, given.items] += parameters.alpha * given.strengths
    wanted[given.users, given.items] = 1
    penalty = (np.bincount(given.users)[:, None] * users**2).sum() + (np.bincount(given.items)[:, None] * wide**2).sum()
    return float((confidence * (wanted - users @ wide.T) ** 2).sum() + parameters.regularization * penalty)


def test_enough_steps_solve_a_half_step_exactly() -> None:
    """k steps of conjugate gradients end at the solution; fold-in solves the same systems directly, in float64."""
    other = np.random.default_rng(1).normal(0, 0.5, (ITEMS, 12)).astype(np.float32)
    exact = FoldIn(other, alpha=2.0, regularization=0.05).solve(_given(), USERS)
    error = np.linalg.norm(_solve(_rows(_given()), other, PARAMETERS, 24) - exact, axis=1)
    assert (error / np.linalg.norm(exact, axis=1)).max() < 1e-4
    few = np.linalg.norm(_solve(_rows(_given()), other, PARAMETERS, 3) - exact, axis=1)
    assert (few / np.linalg.norm(exact, axis=1)).max() > 1e-2, "three steps alone are no exact solution"


def test_a_row_without_interactions_becomes_zero() -> None:
    rows = Rows(np.array([0, 0, 1]), np.array([1], dtype=np.int32), np.ones(1, dtype=np.float32))
    solved = np.ones((2, 2), dtype=np.float32)
    other = np.array([[1, 0], [0, 1]], dtype=np.float32)
    solve_rows(*rows, other, other.T @ other, np.float32(2), np.float32(0.5), 5, solved)
    # Of the second row: (I + diag(0, 2) + 0.5·I) x = (0, 3).
    assert solved == pytest.approx(np.array([[0, 0], [0, 3 / 3.5]]), abs=1e-6)


def test_the_transpose_holds_the_same_interactions() -> None:
    rows = Rows(np.array([0, 2, 2, 3]), np.array([1, 3, 1], dtype=np.int32), np.array([5, 6, 7], dtype=np.float32))
    columns = transposed(rows, 4)
    assert columns.starts.tolist() == [0, 0, 2, 2, 3]
    assert columns.columns.tolist() == [0, 2, 0]
    assert columns.strengths.tolist() == [5, 7, 6]


@pytest.mark.spark
@SOLVERS
def test_two_trainings_are_equal_to_the_last_bit(
    spark: SparkSession, tmp_path: Path, parameters: ALSParameters
) -> None:
    one = train(spark, _given(), parameters, items=ITEMS, seed=5, checkpoints=tmp_path)
    two = train(spark, _given(), parameters, items=ITEMS, seed=5, checkpoints=tmp_path)
    assert one.dtype == np.float32
    assert np.array_equal(one, two)
    assert not np.array_equal(one, train(spark, _given(), parameters, items=ITEMS, seed=6, checkpoints=tmp_path))


@pytest.mark.spark
@SOLVERS
def test_items_and_users_that_are_not_given_change_nothing(
    spark: SparkSession, tmp_path: Path, parameters: ALSParameters
) -> None:
    given = _given()
    spread = Interactions(given.users * 3, given.items * 2, given.strengths)
    wide = train(spark, spread, parameters, items=2 * ITEMS, seed=5, checkpoints=tmp_path)
    assert np.array_equal(wide[::2], train(spark, given, parameters, items=ITEMS, seed=5, checkpoints=tmp_path))
    assert not wide[1::2].any()


@pytest.mark.spark
def test_both_solvers_reach_the_same_loss(spark: SparkSession, tmp_path: Path) -> None:
    """They start from other random factors and end in other minima, but in equally good ones."""
    losses = []
    for parameters in (PARAMETERS, MLLIB):
        longer = parameters.model_copy(update={"iterations": 20})
        factors = train(spark, _given(), longer, items=ITEMS, seed=5, checkpoints=tmp_path)
        losses.append(_loss(_given(), factors, longer))
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.spark
def test_the_number_of_blocks_changes_no_more_than_rounding(spark: SparkSession, tmp_path: Path) -> None:
    two = train(spark, _given(), PARAMETERS, items=ITEMS, seed=5, checkpoints=tmp_path)
    three = PARAMETERS.model_copy(update={"blocks": 3})
    other = train(spark, _given(), three, items=ITEMS, seed=5, checkpoints=tmp_path)
    assert np.abs(two - other).max() < 1e-4 * np.abs(two).max()


@pytest.mark.spark
def test_blocks_may_be_empty(spark: SparkSession, tmp_path: Path) -> None:
    given = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3))
    few, many = (ALSParameters(rank=2, iterations=2, blocks=blocks) for blocks in (1, 4))
    one = train(spark, given, few, items=2, seed=1, checkpoints=tmp_path)
    assert np.allclose(one, train(spark, given, many, items=2, seed=1, checkpoints=tmp_path), rtol=1e-4)


@pytest.mark.spark
def test_a_killed_training_goes_on_where_it_was(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(spark, _given(), PARAMETERS, items=ITEMS, seed=5, checkpoints=tmp_path / "whole")
    half_step, done = als_blocks._half_step, []

    def dies_in_the_third_iteration(*arguments: Any) -> Any:
        done.append(arguments)
        if len(done) == 6:
            raise KeyboardInterrupt
        return half_step(*arguments)

    monkeypatch.setattr(als_blocks, "_half_step", dies_in_the_third_iteration)
    checkpoints = tmp_path / "checkpoints"
    with pytest.raises(KeyboardInterrupt):
        train(spark, _given(), PARAMETERS, items=ITEMS, seed=5, checkpoints=checkpoints)
    done.clear()
    done.extend([()] * 6)
    resumed = train(spark, _given(), PARAMETERS, items=ITEMS, seed=5, checkpoints=checkpoints)
    assert len(done) - 6 == 4, "two of four iterations were left, of two half-steps each"
    assert np.array_equal(resumed, whole)
    assert not list(checkpoints.iterdir())


@pytest.mark.spark
def test_fold_in_gives_the_users_of_mllib(spark: SparkSession) -> None:
    """MLlib's last half-step solves users against its final item factors; fold-in is that half-step.

    Both add up and solve in float64, MLlib from strengths rounded to float32, and round the answer to float32: two
    roundings of 2⁻²⁴, which the conditioning of the systems (below 30 here) can multiply.
    """
    given = _given()
    model = fit(spark, given, MLLIB, seed=5)
    theirs, factors = collect_factors(model.userFactors), collect_factors(model.itemFactors)
    assert (len(theirs), len(factors)) == (USERS, ITEMS)
    foldin = FoldIn(factors, alpha=MLLIB.alpha, regularization=MLLIB.regularization)
    ours = foldin.solve(given, USERS)
    error = np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)
    assert error.max() < 30 * 2 * 2**-24
    for user in range(USERS):
        assert np.array_equal(top_k(factors @ ours[user], 20), top_k(factors @ theirs[user], 20))


@pytest.mark.spark
def test_many_iterations_of_mllib_do_not_overflow_the_stack(spark: SparkSession, tmp_path: Path) -> None:
    """Without checkpoints, Java's stack overflows at some tens of iterations."""
    given = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3))
    parameters = ALSParameters(solver="mllib", rank=2, iterations=60, blocks=1)
    factors = train(spark, given, parameters, items=2, seed=1, checkpoints=tmp_path)
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
