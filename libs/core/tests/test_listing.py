"""Lists with conditions are the list without them, thinned out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from libs.core.tests.test_recommender import history, recommender

from saran.core.filters import ItemColumns
from saran.core.list_options import ListOptions, RankRequest
from saran.core.listing import Cause, Listed, Wanted, make_list, make_lists, rank

COUNT = 500
MODEL = recommender(np.random.default_rng(5).normal(size=(COUNT, 6)).astype(np.float32))
PRICES = np.random.default_rng(6).integers(1, 100, size=COUNT).astype(np.float64)
COLUMNS = ItemColumns(
    pa.table(
        {
            "item_id": [f"i{row}" for row in range(COUNT)],
            "categories": [["third"] if row % 3 == 0 else ["other"] for row in range(COUNT)],
            "price": PRICES,
        }
    )
)
SOME = history(("i3", "view"), ("i77", "purchase"), ("nowhere", "view"), ("i9", "view"))
NOTHING = history()


def listed(events: Any = SOME, **options: Any) -> Listed:
    return make_list(MODEL, COLUMNS, events, ListOptions(**options))


def items(**options: Any) -> list[int]:
    return [int(item) for item in listed(**options).ranked.items]


@pytest.mark.parametrize("events", [SOME, NOTHING], ids=["personal", "popular"])
def test_a_filtered_list_is_exactly_the_best_of_what_is_allowed(events: Any) -> None:
    (every,) = MODEL.recommend([events], COUNT)
    wanted = [int(item) for item in every.items if item % 3 == 0 and 20 <= PRICES[item] <= 60]
    got = listed(events, limit=10, category=["third"], min_price=20, max_price=60).ranked
    assert [int(item) for item in got.items] == wanted[:10]
    assert got.personal == every.personal
    if got.personal:
        by_item = dict(zip(every.items.tolist(), every.scores.tolist(), strict=True))
        np.testing.assert_array_equal(got.scores, np.array([by_item[item] for item in wanted[:10]], dtype=np.float32))
    assert len(listed(events, limit=500, category=["third"], min_price=20, max_price=60).ranked.items) == len(wanted)


def test_seen_items_come_back_when_they_may() -> None:
    (every,) = MODEL.recommend([SOME], COUNT, hide_seen=False)
    best = [int(item) for item in every.items]
    assert {3, 77, 9} <= set(best)
    assert items(limit=500, seen="allow") == best
    assert items(limit=500, seen="exclude-bought") == [item for item in best if item != 77]
    assert items(limit=500) == [item for item in best if item not in {3, 77, 9}]


def test_seen_items_of_a_user_without_a_taste_come_back_too() -> None:
    shown = history(("i499", "impression"), ("i498", "purchase"), ("i497", "impression"))
    model = recommender(np.zeros((COUNT, 2), dtype=np.float32))
    lists = {
        seen: make_list(model, COLUMNS, shown, ListOptions(limit=3, seen=seen)).ranked.items.tolist()
        for seen in ("exclude", "exclude-bought", "allow")
    }
    assert lists == {"exclude": [496, 495, 494], "exclude-bought": [499, 497, 496], "allow": [499, 498, 497]}


def test_excluded_items_move_the_others_up() -> None:
    best = items(limit=12)
    out = [f"i{best[0]}", f"i{best[4]}", "nowhere"]
    assert items(limit=10, exclude=out) == [item for item in best if item not in {best[0], best[4]}]
    assert items(limit=10, exclude=["nowhere"]) == best[:10]


def test_a_diverse_list_begins_with_the_best_and_is_less_alike() -> None:
    def alike(rows: list[int]) -> float:
        return float(
            np.mean([MODEL.likeness(row, np.array([one for one in rows if one != row])).mean() for row in rows])
        )

    plain, diverse = items(limit=10), items(limit=10, diversity=0.7)
    assert diverse[0] == plain[0]
    assert alike(diverse) < alike(plain) - 0.1
    assert all(item % 3 == 0 for item in items(limit=10, diversity=0.7, category=["third"]))
    scores = MODEL.recommend([SOME], COUNT)[0]
    by_item = dict(zip(scores.items.tolist(), scores.scores.tolist(), strict=True))
    ranked = listed(limit=10, diversity=0.7).ranked
    assert [by_item[item] for item in ranked.items.tolist()] == ranked.scores.tolist()


def test_the_causes_of_an_item_are_the_items_of_the_history_that_carried_most() -> None:
    got = listed(limit=4, explain=True)
    mine, shares = MODEL.explain(SOME, got.ranked.items)
    assert list(mine) == [3, 9, 77]
    np.testing.assert_allclose(shares.sum(axis=0), got.ranked.scores, rtol=1e-4)
    for causes, column in zip(got.because, shares.T, strict=True):
        best = [row for row in np.argsort(-column) if column[row] > 0]
        assert causes == [Cause(int(mine[row]), float(column[row])) for row in best]
    assert listed(limit=4).because == [[]] * 4
    assert listed(NOTHING, limit=4, explain=True).because == [[]] * 4


def test_candidates_are_ranked_as_the_whole_list_has_them() -> None:
    (every,) = MODEL.recommend([SOME], COUNT, hide_seen=False)
    candidates = np.array([8, 77, 3, 400, 11])
    asked = RankRequest(candidates=[f"i{row}" for row in candidates], user_id="u", explain=True)
    got = rank(MODEL, SOME, candidates, asked)
    assert got.ranked.items.tolist() == [item for item in every.items.tolist() if item in set(candidates.tolist())]
    assert all(got.because)
    assert rank(MODEL, NOTHING, candidates, asked).ranked.items.tolist() == [400, 77, 11, 8, 3]
    assert rank(MODEL, SOME, np.zeros(0, dtype=np.int64), asked).ranked.items.tolist() == []


def test_an_unknown_category_leaves_an_empty_list_and_is_said() -> None:
    got = listed(category=["fourth"])
    assert len(got.ranked.items) == 0
    assert got.note == "no item of this model has the category 'fourth'"
    assert listed(category=["third"]).note is None


def test_lists_made_together_are_those_made_one_by_one() -> None:
    other = history(("i8", "view"), ("i5", "click"))
    asked = [
        {},
        {"category": ["third"]},
        {"category": ["third"], "exclude": ["i3", "i12"]},
        {"category": ["nowhere"]},
        {"explain": True, "limit": 30},
        {"diversity": 0.5, "seen": "allow"},
        {"min_price": 40, "seen": "exclude-bought"},
    ]
    wanted = [
        Wanted(events, ListOptions.model_validate(options), shown, popular)
        for options in asked
        for events in (SOME, other, NOTHING)
        for shown, popular in ((None, False), (np.array([1, 2]), False), (None, True))
    ]
    together = make_lists(MODEL, COLUMNS, wanted)
    for one, got in zip(wanted, together, strict=True):
        alone = make_list(MODEL, COLUMNS, one.history, one.options, shown=one.shown, popular=one.popular)
        assert got.ranked.items.tolist() == alone.ranked.items.tolist()
        np.testing.assert_allclose(got.ranked.scores, alone.ranked.scores, rtol=1e-6)
        assert [[cause.item for cause in causes] for causes in got.because] == [
            [cause.item for cause in causes] for causes in alone.because
        ]
        assert (got.note, got.ranked.personal) == (alone.note, alone.ranked.personal)
