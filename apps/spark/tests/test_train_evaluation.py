"""The evaluation, on lists whose figures are known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import log2

import numpy as np
import pyarrow as pa
import pytest

from saran.core.confidence import Weights
from saran.core.entities import ACTION_CODES
from saran.core.model_folder import Manifest, RecommenderModel
from saran.core.model_parts import als_part
from saran.core.recommender import History, Recommender
from saran.spark.evaluation import ALS, POPULARITY, candidates, evaluate, sample, split_text
from saran.spark.training_data import HeldOut, HoldOut, Pairs


def _history(*items: str) -> History:
    return History(items, np.full(len(items), ACTION_CODES["view"]), np.full(len(items), np.nan))


def _recommender(factors: Sequence[Sequence[float]], popularity: Sequence[int]) -> Recommender:
    """Items a, b, c, … with the given factors."""
    items = [chr(ord("a") + row) for row in range(len(factors))]
    manifest = Manifest(
        name="recommender",
        version="test",
        created_at=datetime.now(UTC),
        dataset="test",
        synthetic=False,
        algorithm="test",
        parameters={"alpha": 1.0, "regularization": 0.1},
        weights=Weights(),
        history_length=10,
        seed=0,
        tables={},
        users=0,
        items=len(items),
        interactions=0,
    )
    part = als_part(np.array(factors, dtype=np.float32), alpha=1.0, regularization=0.1)
    model = RecommenderModel(manifest, {"als": part}, np.array(popularity), pa.table({"item_id": items}))
    return Recommender(model)


def test_both_models_are_measured_by_hand() -> None:
    # a and b point one way, c and d the other; c is the most popular, then d, a, b.
    recommender = _recommender([[1, 0], [0.9, 0], [0, 1], [0, 0.9]], [2, 3, 0, 1])
    tests = HeldOut(["u", "v"], [_history("a"), _history("a", "unheard")], [["b"], ["b", "nowhere"]])
    found = evaluate(recommender, tests, split="by hand", seed=1)
    assert (found.split, found.test_users) == ("by hand", 2)
    both = 1 + 1 / log2(3)  # ideal gain of v, who wants two items of which one is in no catalogue
    als, popularity = found.metrics[ALS], found.metrics[POPULARITY]
    assert als["ndcg@10"].value == pytest.approx((1 + 1 / both) / 2)
    assert als["recall@20"].value == pytest.approx((1 + 1 / 2) / 2)
    # Without a, popularity is c, d, b: the hit is third.
    assert popularity["ndcg@10"].value == pytest.approx((1 / log2(4) + 1 / log2(4) / both) / 2)
    assert popularity["recall@20"].value == pytest.approx(0.75)
    assert als["recall@20"].low >= 0.5
    assert als["recall@20"].high <= 1.0


def test_a_held_out_item_outside_the_list_is_a_miss() -> None:
    factors = [[1.0, 0.0]] * 30 + [[0.0, 1.0]]
    recommender = _recommender(factors, range(31))
    last = chr(ord("a") + 30)
    found = evaluate(recommender, HeldOut(["u"], [_history("a")], [[last]]), split="", seed=1)
    assert found.metrics[ALS]["recall@20"].value == 0
    assert found.metrics[POPULARITY]["recall@20"].value == 0


def test_candidates_have_something_new_to_find() -> None:
    pairs = Pairs(
        user_ids=["again", "new", "none"],
        item_ids=["a", "b"],
        users=np.array([0, 1, 1, 2]),
        items=np.array([0, 0, 1, 0]),
        strength=np.array([2.0, 1.0, 1.0, 1.0]),
        past=np.array([1.0, 1.0, 0.0, 1.0]),
        future=np.array([1.0, 0.0, 1.0, 0.0]),
        days=np.zeros(4, dtype=np.int64),
        past_days=np.zeros(4, dtype=np.int64),
        newest_event=None,
        synthetic=False,
    )
    assert candidates(pairs) == ["new"]


def test_a_sample_is_a_function_of_the_seed() -> None:
    users = [f"u{number:03}" for number in range(200)]
    drawn = sample(users, 50, seed=4)
    assert len(set(drawn)) == 50
    assert drawn == sorted(drawn)
    assert set(drawn) <= set(users)
    assert drawn == sample(users, 50, seed=4)
    assert drawn != sample(users, 50, seed=5)
    assert sample(users, 200, seed=4) == users


def test_the_split_says_when_users_were_sampled() -> None:
    assert "drawn" not in split_text(HoldOut(), eligible=10, most=10, seed=1)
    text = split_text(HoldOut(), eligible=11, most=10, seed=1)
    assert "20%" in text
    assert "10 of 11 such users, drawn by seed 1" in text
