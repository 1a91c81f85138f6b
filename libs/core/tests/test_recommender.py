"""The recommender on a taste that is known: two groups of items that the same users like."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from saran.core.confidence import Weights
from saran.core.entities import ACTION_CODES
from saran.core.model_folder import Manifest, RecommenderModel
from saran.core.model_parts import Kind, als_part, near_part, popularity_part
from saran.core.recommender import History, Recommender
from saran.core.rows import Rows
from saran.core.versions import ModelError

ALPHA, REGULARIZATION = 5.0, 0.1
EVEN_ODD = np.array([[1, 0], [0, 1]] * 5 + [[0, 0]], dtype=np.float32)
"""Items i0, i2, … share one factor, i1, i3, … the other; i10 was never liked."""


def manifest(items: int, history_length: int) -> Manifest:
    return Manifest(
        name="recommender",
        version="1",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        dataset="evenodd",
        synthetic=True,
        algorithm="als",
        parameters={},
        weights=Weights(),
        history_length=history_length,
        seed=1,
        tables={},
        users=1,
        items=items,
        interactions=1,
    )


def recommender(
    factors: NDArray[np.float32] = EVEN_ODD,
    *,
    history_length: int = 100,
    alpha: float = ALPHA,
    regularization: float = REGULARIZATION,
) -> Recommender:
    count = len(factors)
    items = pa.table({"item_id": [f"i{row}" for row in range(count)]})
    part = als_part(factors, alpha=alpha, regularization=regularization)
    return Recommender(
        RecommenderModel(manifest(count, history_length), {"als": part}, np.arange(count)[::-1].copy(), items)
    )


def history(*events: tuple[str, str]) -> History:
    return History(
        [item for item, _ in events],
        np.array([ACTION_CODES[action] for _, action in events], dtype=np.int64),
        np.full(len(events), np.nan),
    )


def test_a_taste_for_even_items_gets_the_even_items_first() -> None:
    (answer,) = recommender().recommend([history(("i2", "view"), ("i6", "purchase"))], 3)
    assert answer.personal
    assert list(answer.items) == [0, 4, 8]
    # The even factor is 1-D: x = Σ(1 + αs) / (5 + αΣs + λn) with s = 1 and 5 (five even items).
    expected = (1 + ALPHA * 1 + 1 + ALPHA * 5) / (5 + ALPHA * 6 + REGULARIZATION * 2)
    np.testing.assert_allclose(answer.scores, [expected] * 3, rtol=1e-6)


def test_what_was_seen_is_never_recommended() -> None:
    model = recommender()
    seen = [("i0", "view"), ("i2", "view"), ("i4", "impression")]
    (answer,) = model.recommend([history(*seen)], 99)
    assert len(answer.items) == len(EVEN_ODD) - 3
    assert not {0, 2, 4} & set(answer.items)


def test_no_history_and_unknown_items_get_the_popularity_list() -> None:
    model = recommender()
    for nothing in (history(), history(("nowhere", "purchase"))):
        (answer,) = model.recommend([nothing], 3)
        assert not answer.personal
        assert list(answer.items) == [10, 9, 8]
        np.testing.assert_allclose(answer.scores, [1, 1 / 2, 1 / 3])


def test_popularity_leaves_out_what_was_only_shown() -> None:
    (answer,) = recommender().recommend([history(("i9", "impression"), ("i9", "impression"))], 3)
    assert not answer.personal
    assert list(answer.items) == [10, 8, 7]


def test_only_the_last_h_events_count_but_all_are_seen() -> None:
    model = recommender(history_length=1)
    (answer,) = model.recommend([history(("i1", "view"), ("i0", "view"))], 3)
    assert list(answer.items) == [2, 4, 6]
    assert 1 not in model.recommend([history(("i1", "view"), ("i0", "view"))], 99)[0].items


def test_users_answered_together_equal_users_answered_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(2)
    model = recommender(generator.normal(size=(700, 8)).astype(np.float32))
    actions = list(ACTION_CODES)
    crowd = [
        history(*((f"i{generator.integers(750)}", actions[generator.integers(6)]) for _ in range(length)))
        for length in [0, 1, 30, 5, 0, 60, 2, 9]
    ]
    together = model.recommend(crowd, 12)
    monkeypatch.setattr("saran.core.recommender._SCORE_BLOCK", 1500)  # two users a block
    for answers in (model.recommend(crowd, 12), [model.recommend([one], 12)[0] for one in crowd]):
        for left, right in zip(together, answers, strict=True):
            assert left.personal == right.personal
            assert list(left.items) == list(right.items)
            np.testing.assert_allclose(left.scores, right.scores, rtol=1e-4)


def test_a_longer_list_begins_with_the_shorter() -> None:
    model = recommender(np.random.default_rng(4).normal(size=(500, 6)).astype(np.float32))
    some = history(("i3", "view"), ("i77", "purchase"))
    assert list(model.recommend([some], 5)[0].items) == list(model.recommend([some], 50)[0].items[:5])


def test_nobody_asks() -> None:
    assert recommender().recommend([], 5) == []


def test_similar_items_point_the_same_way() -> None:
    by, answer = recommender().similar("i4", 4)
    assert by == "behaviour"
    assert list(answer.items) == [0, 2, 6, 8]
    np.testing.assert_allclose(answer.scores, 1.0, rtol=1e-6)
    assert 4 not in recommender().similar("i4", 99).ranked.items
    assert len(recommender().similar("i10", 5).ranked.items) == 0
    assert 10 not in recommender().similar("i4", 99).ranked.items
    with pytest.raises(KeyError):
        recommender().similar("nowhere", 3)


def test_excluding_a_popular_item_moves_the_others_up() -> None:
    answer = recommender().popular(2, exclude=np.array([10]))
    assert list(answer.items) == [9, 8]
    np.testing.assert_allclose(answer.scores, [1.0, 0.5])


def test_a_model_whose_fold_in_could_not_be_solved_is_refused() -> None:
    with pytest.raises(ModelError, match="regularization=0"):
        recommender(regularization=0)
    with pytest.raises(ModelError, match="alpha=nan"):
        recommender(alpha=float("nan"))


def test_a_history_of_items_that_nobody_liked_gets_the_popular_list() -> None:
    (answer,) = recommender().recommend([history(("i10", "purchase"))], 2)
    assert not answer.personal
    assert list(answer.items) == [9, 8]


def of_parts(weights: dict[str, float]) -> Recommender:
    """Five items: i0, i1 and i2 by the same users, i3 by nobody but described as i0 is, i4 like nothing."""
    near = Rows(
        np.array([0, 2, 4, 6, 6, 6]), np.array([1, 2, 0, 2, 0, 1], dtype=np.int32), np.ones(6, dtype=np.float32)
    )
    told = Rows(np.array([0, 1, 1, 1, 2, 2]), np.array([3, 0], dtype=np.int32), np.full(2, 0.5, dtype=np.float32))
    parts = {
        "content": near_part(Kind.CONTENT, told, {}),
        "neighbours": near_part(Kind.NEIGHBOURS, near, {}),
        "popularity": popularity_part(np.array([3.0, 3, 2, 0, 9]), {}),
    }
    chosen = {name: parts[name].weighing(weight) for name, weight in weights.items()}
    items = pa.table({"item_id": [f"i{row}" for row in range(5)]})
    return Recommender(RecommenderModel(manifest(5, 100), chosen, np.array([4, 0, 1, 2, 3]), items))


def test_an_item_that_nobody_touched_is_like_those_described_alike() -> None:
    model = of_parts({"content": 0, "neighbours": 1})
    assert [(by, list(ranked.items)) for by, ranked in (model.similar(f"i{row}", 9) for row in range(5))] == [
        ("behaviour", [1, 2]),
        ("behaviour", [0, 2]),
        ("behaviour", [0, 1]),
        ("content", [0]),
        ("content", []),
    ]
    by, told = model.similar("i0", 9, by="content")
    assert (by, list(told.items), list(told.scores)) == ("content", [3], [0.5])
    assert len(model.similar("i3", 9, by="behaviour").ranked.items) == 0


def test_a_version_without_a_part_says_which_trainer_brings_it() -> None:
    with pytest.raises(ModelError, match=r"does not know which items are alike by content.*saran train content"):
        of_parts({"neighbours": 1}).similar("i0", 3, by="content")


def test_a_part_without_weight_does_not_change_the_list() -> None:
    some = [history(("i0", "view"))]
    (alone,), (beside,) = (
        of_parts({"neighbours": 1}).recommend(some, 9),
        of_parts({"neighbours": 1, "content": 0}).recommend(some, 9),
    )
    assert list(alone.items) == list(beside.items) == [1, 2, 3, 4]
    assert list(of_parts({"neighbours": 1, "content": 1}).recommend(some, 9)[0].items) == [3, 1, 2, 4]


def test_a_version_of_popularity_alone_says_that_its_lists_are_not_personal() -> None:
    (answer,) = of_parts({"popularity": 1}).recommend([history(("i4", "view"))], 2)
    assert not answer.personal
    assert list(answer.items) == [0, 1]
