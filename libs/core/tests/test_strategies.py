"""Lists by strategy: each part's own, and a reason for each of its best that is not listed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from libs.core.tests.test_recommender import EVEN_ODD, history, manifest

from saran.core.filters import ItemColumns
from saran.core.list_options import ListOptions
from saran.core.model_folder import RecommenderModel
from saran.core.model_parts import Kind, Part, als_part, near_part, popularity_part
from saran.core.recommender import Ranked, Recommender
from saran.core.rows import Rows
from saran.core.strategies import StrategyLists, make_strategies, strategy_names

COUNT = len(EVEN_ODD)
COLUMNS = ItemColumns(
    pa.table(
        {
            "item_id": [f"i{row}" for row in range(COUNT)],
            "categories": [["low"] if row < 5 else ["high"] for row in range(COUNT)],
        }
    )
)
ALS = als_part(EVEN_ODD, alpha=5.0, regularization=0.1)
# i2 is among the nearest of i3 and, nearer, of i9; no other item has near ones.
NEAR = Rows(np.array([0] * 4 + [1] * 6 + [2, 2]), np.array([2, 2], np.int32), np.array([0.5, 0.9], np.float32))
CONTENT = near_part(Kind.CONTENT, NEAR, {})
WITH_VIEW = history(("i2", "view"))


def model(**parts: Part) -> Recommender:
    items = pa.table({"item_id": [f"i{row}" for row in range(COUNT)]})
    return Recommender(RecommenderModel(manifest(COUNT, 100), parts, np.arange(COUNT)[::-1].copy(), items))


def lists(recommender: Recommender, rising: Ranked | None = None, **options: Any) -> dict[str, StrategyLists]:
    names = strategy_names(recommender) + (["trending"] if rising else [])
    made = make_strategies(recommender, COLUMNS, WITH_VIEW, ListOptions(**options), names, rising=rising)
    return {one.name: one for one in made}


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ({"als": ALS}, ["als", "popular"]),
        ({"als": ALS, "content": CONTENT.weighing(0)}, ["als", "content", "popular"]),
        ({"als": ALS, "content": CONTENT}, ["blend", "als", "content", "popular"]),
        ({"popularity": popularity_part(np.ones(COUNT), {})}, ["popular"]),
    ],
)
def test_the_served_strategy_comes_first(parts: dict[str, Part], names: list[str]) -> None:
    assert strategy_names(model(**parts)) == names
    assert [one.name for one in lists(model(**parts)).values() if one.served] == names[:1]


def test_each_part_makes_its_own_list() -> None:
    both = model(als=ALS, content=CONTENT)
    made = lists(both, limit=4, explain=True)
    assert made["als"].listed.ranked.items.tolist() == [0, 4, 6, 8]
    assert made["content"].listed.ranked.items.tolist()[:2] == [9, 3]
    assert made["content"].listed.ranked.scores.tolist()[:2] == pytest.approx([0.9, 0.5])
    assert [cause.item for cause in made["content"].listed.because[0]] == [2]
    assert made["popular"].listed.ranked.items.tolist() == [10, 9, 8, 7]
    (served,) = both.recommend([WITH_VIEW], 4)
    assert made["blend"].listed.ranked.items.tolist() == served.items.tolist()
    np.testing.assert_array_equal(made["blend"].listed.ranked.scores, served.scores)
    (alone,) = model(als=ALS).recommend([WITH_VIEW], 4)
    np.testing.assert_array_equal(made["als"].listed.ranked.scores, alone.scores)


def test_what_is_left_out_has_its_place_and_reason() -> None:
    """ALS has five even items of one score: 0, 2, 4, 6, 8 in that order."""
    made = lists(model(als=ALS), limit=5, category=["low"], exclude=["i4"])
    told = [(left.item, left.rank, left.reason) for left in made["als"].left_out]
    assert told == [(2, 2, "seen"), (4, 3, "excluded"), (6, 4, "condition"), (8, 5, "condition")]
    assert made["als"].listed.ranked.items.tolist() == [0, 1, 3]
    assert lists(model(als=ALS), limit=5, seen="allow")["als"].left_out == []
    bought = make_strategies(
        model(als=ALS), COLUMNS, history(("i2", "purchase"), ("i6", "view")),
        ListOptions(limit=3, seen="exclude-bought"), ["als"], rising=None,
    )  # fmt: skip
    ((_, _, listed, left),) = bought
    assert listed.ranked.items.tolist() == [0, 4, 6]
    assert [(one.item, one.reason) for one in left] == [(2, "bought")]


def test_what_rises_stays_in_its_order() -> None:
    rising = Ranked(np.array([7, 2, 3, 8]), np.array([4.0, 3.0, 2.0, 1.0], np.float32), personal=False)
    made = lists(model(als=ALS), rising, limit=2)["trending"]
    assert made.listed.ranked.items.tolist() == [7, 3]
    assert made.listed.ranked.scores.tolist() == [4.0, 2.0]
    assert [(left.item, left.rank, left.reason) for left in made.left_out] == [(2, 2, "seen")]
    low = lists(model(als=ALS), rising, category=["low"])["trending"]
    assert low.listed.ranked.items.tolist() == [3]
