"""What followed the last items of a session, by hand."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pytest
from libs.core.tests.test_recommender import history, manifest

from saran.core.filters import ItemColumns
from saran.core.list_options import ListOptions, SessionRequest
from saran.core.listing import Listed, Wanted, make_lists, make_session_lists
from saran.core.model_folder import RecommenderModel
from saran.core.model_parts import Part, popularity_part, repeats_part, rules_part
from saran.core.next_items import NextItems, Repeats
from saran.core.recommender import Recommender
from saran.core.rows import Rows

HALF: Final = 1 / np.log(2)
"""A rate of places at which each step back counts half of the one before."""
# i0 → i1 (4), i2 (2); i1 → i3 (8); i2 → i2 (1), i0 (1); nothing follows i3, i4 and i5.
RULES: Final = Rows(
    np.array([0, 2, 3, 5, 5, 5, 5]),
    np.array([1, 2, 3, 0, 2], dtype=np.int32),
    np.array([4, 2, 8, 1, 1], dtype=np.float32),
)


def after(*session: int, sources: int = 3) -> tuple[dict[int, float], list[int]]:
    found = NextItems(RULES, sources=sources, source_rate=HALF).after(np.array(session, dtype=np.int64))
    return dict(zip(found.items.tolist(), found.shares.sum(axis=0).tolist(), strict=True)), found.sources.tolist()


def test_nearer_items_say_more_and_equal_ones_stand_by_index() -> None:
    # i0 counts 1 and i1 a half, so that all is 4 + 2 + 4: i1 and i3 get 4 of 10.
    shares, sources = after(1, 0)
    assert list(shares) == [1, 3, 2]
    assert shares == pytest.approx({1: 0.4, 3: 0.4, 2: 0.2})
    assert sources == [0, 1]


def test_an_item_that_comes_twice_says_both() -> None:
    # i0 counts 1 + 1/4, i2 1/2: i1 5, i2 2.5 + .5, i0 .5 of 8.5.
    shares, _ = after(0, 2, 0)
    assert shares == pytest.approx({1: 5 / 8.5, 2: 3 / 8.5, 0: 0.5 / 8.5})


def test_only_the_last_have_a_say() -> None:
    assert after(1, 3, 4, sources=2)[0] == {}
    assert after(1, 3, 4)[0] == {3: 1.0}
    assert after()[0] == {}


CHANCES: Final = np.array([[0, 0, 0], [0, 0.5, 0.25], [0, 0.125, 0.0625]])
"""By steps (1, more) and times (1, more)."""


def test_what_comes_again_has_its_chance_and_the_rest_is_for_what_is_new() -> None:
    model = NextItems(RULES, sources=3, source_rate=HALF, repeats=Repeats(CHANCES, 0.5))
    found = model.after(np.array([1, 2, 0, 2]))
    # i2 was met twice, a step ago; i0 two steps ago; i1 four: 1/4, 1/8 and 1/8. Of what is new only i3 is known, but
    # i1, which it follows, has no say any more.
    assert dict(zip(found.items.tolist(), found.shares.sum(axis=0).tolist(), strict=True)) == {
        2: 0.25,
        0: 0.125,
        1: 0.125,
    }
    assert found.sources.tolist() == [0, 1, 2]
    found = model.after(np.array([1, 0]))
    # i0 1/2, i1 1/8; i3 follows i1 (8 times a half), i2 follows i0 (2): they share the 3/8 that are left.
    shares = dict(zip(found.items.tolist(), found.shares.T.tolist(), strict=True))
    assert list(shares) == [0, 3, 1, 2]
    assert shares[0] == [0.5, 0]
    assert shares[1] == [0, 0.125]
    assert shares[3] == pytest.approx([0, 3 / 8 * 4 / 6])
    assert shares[2] == pytest.approx([3 / 8 * 2 / 6, 0])


def test_chances_above_one_in_sum_leave_nothing_for_what_is_new() -> None:
    sure = NextItems(RULES, sources=3, source_rate=HALF, repeats=Repeats(np.ones((2, 2)), 1.0))
    found = sure.after(np.array([1, 0]))
    assert dict(zip(found.items.tolist(), found.shares.sum(axis=0).tolist(), strict=True)) == {0: 0.5, 1: 0.5}
    assert not len(sure.after(np.zeros(0, dtype=np.int64)).items)


def test_repeats_are_usual_from_a_fifth_of_next_items_on() -> None:
    for share, usual in ((0.19, False), (0.2, True)):
        assert NextItems(RULES, sources=3, source_rate=HALF, repeats=Repeats(CHANCES, share)).repeats_usual is usual
    assert not NextItems(RULES, sources=3, source_rate=HALF).repeats_usual


@pytest.mark.parametrize(("given", "usual", "seen"), [("auto", True, "allow"), ("auto", False, "exclude")])
def test_a_request_that_does_not_say_leaves_it_to_the_model(given: str, usual: bool, seen: str) -> None:
    asked = {"items": ["i1"], "limit": 3, "exclude": ["i2"], "max_price": 4.0}
    options = SessionRequest.model_validate({**asked, "seen": given}).options(repeats_usual=usual)
    assert (options.seen, options.limit, options.exclude, options.max_price) == (seen, 3, ["i2"], 4.0)
    assert SessionRequest.model_validate(asked).seen == "auto"
    chosen = SessionRequest.model_validate({**asked, "seen": "exclude-bought"})
    assert chosen.options(repeats_usual=usual).seen == "exclude-bought"


def listed(*events: tuple[str, str], rules: bool = True, repeats: bool = False, **options: object) -> Listed:
    """Of a version whose usual list is by popularity: i5, i4, i3, i2, i1, i0."""
    parts: dict[str, Part] = {"popularity": popularity_part(np.arange(1.0, 7), {})}
    if rules:
        parts["rules"] = rules_part(RULES, sources=3, source_rate=HALF, parameters={})
    if repeats:
        parts["repeats"] = repeats_part(Repeats(CHANCES, 0.5), {})
    items = pa.table({"item_id": [f"i{row}" for row in range(6)], "price": [1.0, 2, 3, 4, 5, 6]})
    model = Recommender(RecommenderModel(manifest(6, 100), parts, np.arange(6)[::-1].copy(), items))
    make = make_session_lists if rules else make_lists
    (made,) = make(model, ItemColumns(items), [Wanted(history(*events), ListOptions.model_validate(options))])
    return made


SESSION: Final = (("i1", "view"), ("i0", "click"))


def test_what_followed_comes_before_the_usual_list() -> None:
    ranked = listed(*SESSION).ranked
    # i1 has been seen, so it is not named; of the others the popular list's best score is 1.
    assert ranked.items.tolist() == [3, 2, 5, 4]
    assert ranked.scores.tolist() == pytest.approx([1.4, 1.2, 1, 1 / 2])
    assert ranked.personal
    assert listed(*SESSION, limit=3).ranked.items.tolist() == [3, 2, 5]
    assert listed(*SESSION, seen="allow").ranked.items.tolist() == [1, 3, 2, 5, 4, 0]


def test_what_comes_again_stands_by_its_chance() -> None:
    again = listed(*SESSION, repeats=True, seen="allow", explain=True)
    assert again.ranked.items.tolist() == [0, 3, 1, 2, 5, 4]
    assert again.ranked.scores.tolist()[:2] == pytest.approx([1.5, 1.25])
    assert [cause.item for cause in again.because[0]] == [0]
    assert listed(*SESSION, repeats=True).ranked.items.tolist() == [3, 2, 5, 4]


def test_a_session_list_holds_nothing_that_its_options_forbid() -> None:
    assert listed(*SESSION, max_price=3.5).ranked.items.tolist() == [2]
    assert listed(*SESSION, exclude=["i3"]).ranked.items.tolist() == [2, 5, 4]
    bought = (("i1", "view"), ("i0", "purchase"))
    assert 0 not in listed(*bought, seen="exclude-bought").ranked.items


def test_each_item_that_followed_says_after_what() -> None:
    because = listed(*SESSION, explain=True).because
    assert [[cause.item for cause in causes] for causes in because] == [[1], [0], [], []]
    assert [causes[0].share for causes in because[:2]] == pytest.approx([0.4, 0.2])


def test_a_session_of_which_no_rule_is_known_gets_the_usual_list() -> None:
    assert [listed(("i4", "view"), rules=rules).ranked.items.tolist() for rules in (True, False)] == [
        [5, 3, 2, 1, 0]
    ] * 2
    assert not listed(("nowhere", "view")).ranked.personal


def test_what_was_only_shown_is_no_part_of_a_session() -> None:
    shown = listed(("i0", "view"), ("i1", "impression"), seen="allow").ranked
    assert shown.items.tolist()[:2] == [1, 2]
