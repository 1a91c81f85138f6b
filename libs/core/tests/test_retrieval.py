"""The index against an exact search, on factors of the shape that training gives."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from saran.core.confidence import Interactions, Weights
from saran.core.entities import ACTION_CODES
from saran.core.foldin import FoldIn
from saran.core.recommender import History, Ranker
from saran.core.retrieval import FactorIndex, build_index, share_found
from saran.core.scorers import Factors, Popularity, Unweighted

ITEMS, RANK, KINDS = 40_000, 32, 60
NOTHING = np.zeros(0, dtype=np.int64)
RNG = np.random.default_rng(11)
KIND = RNG.integers(KINDS, size=ITEMS)


def trained_like() -> NDArray[np.float32]:
    """Items of a kind point the same way, norms are heavy-tailed, later dimensions hold less; some were never liked."""
    scale = 1 / np.sqrt(1 + np.arange(RANK))
    centres = RNG.normal(size=(KINDS, RANK)) * scale
    factors = centres[KIND] + 0.7 * RNG.normal(size=(ITEMS, RANK)) * scale
    factors *= RNG.lognormal(-1, 0.6, size=(ITEMS, 1))
    factors[RNG.choice(ITEMS, 100, replace=False)] = 0
    return factors.astype(np.float32)


FACTORS = trained_like()
FOLDIN = FoldIn(FACTORS, alpha=1.0, regularization=0.05)


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    made = ranker_of()
    assert made.build_search()
    return made


def ranker_of(scorer: Unweighted | Factors | Popularity | None = None) -> Ranker:
    item_ids = [f"i{row}" for row in range(ITEMS)]
    popularity = np.arange(ITEMS)[::-1].copy()
    return Ranker(item_ids, scorer or Factors(FOLDIN), popularity, weights=Weights(), history_length=100)


def histories(count: int = 60) -> list[History]:
    """Views of items of two kinds a user, 3 to 40 of them."""
    rng = np.random.default_rng(5)
    made = []
    for _ in range(count):
        able = np.flatnonzero(np.isin(KIND, rng.integers(KINDS, size=2)))
        rows = rng.choice(able, rng.integers(3, 40))
        views = np.full(len(rows), ACTION_CODES["view"], dtype=np.int64)
        made.append(History([f"i{row}" for row in rows], views, np.full(len(rows), np.nan)))
    return made


def seen(history: History) -> NDArray[np.int64]:
    return np.array([int(item_id[1:]) for item_id in history.item_ids])


def recall(ranker: Ranker, allowed: NDArray[np.int64] | list[NDArray[np.int64]] | None = None) -> float:
    """Of the ten best by scores of all items; what was seen, or is not allowed, must be in neither.

    `allowed` is of all users, or a list with each user's.
    """
    given = histories()
    every = [allowed] * len(given) if isinstance(allowed, np.ndarray) else allowed
    exact, found = (one.recommend(given, 10, allowed=every) for one in (ranker_of(), ranker))
    for user, (history, answer) in enumerate(zip(given, found, strict=True)):
        assert not np.isin(answer.items, seen(history)).any()
        assert every is None or np.isin(answer.items, every[user]).all()
        assert len(answer.items) == 10
    return share_found([answer.items for answer in found], [answer.items for answer in exact])


def without_liked_kinds(count: int) -> list[NDArray[np.int64]]:
    """For each user all items but those of the `count` kinds whose mean score is highest."""
    allowed = []
    for history in histories():
        items, views = np.unique(seen(history), return_counts=True)
        user = FOLDIN.solve(Interactions(np.zeros(len(items), dtype=np.int64), items, views.astype(np.float64)), 1)[0]
        mean = np.bincount(KIND, weights=FACTORS @ user, minlength=KINDS) / np.bincount(KIND, minlength=KINDS)
        allowed.append(np.flatnonzero(np.isin(KIND, np.argsort(mean)[: KINDS - count])))
    return allowed


def test_the_index_finds_what_scores_of_all_items_find(ranker: Ranker) -> None:
    assert recall(ranker) >= 0.95
    assert ranker.search is not None
    assert ranker.search.index.probes < 1.7 * ITEMS**0.5 / 2, "it looks into less than half of the groups"


def test_what_it_finds_has_the_scores_of_an_exact_search(ranker: Ranker) -> None:
    for exact, found in zip(ranker_of().recommend(histories(), 10), ranker.recommend(histories(), 10), strict=True):
        assert found.personal
        places = {int(item): place for place, item in enumerate(exact.items)}
        for item, score in zip(found.items.tolist(), found.scores.tolist(), strict=True):
            if item in places:
                assert score == pytest.approx(float(exact.scores[places[item]]), rel=1e-5)
        assert np.all(np.diff(found.scores) <= 0)


@pytest.mark.parametrize("share", [0.9, 0.6, 0.1])
def test_filters_that_go_by_chance_keep_the_recall(ranker: Ranker, share: float) -> None:
    assert recall(ranker, np.flatnonzero(np.random.default_rng(3).random(ITEMS) < share)) >= 0.95


@pytest.mark.parametrize("count", [10, 20])
def test_a_filter_of_what_each_user_likes_best_keeps_the_recall(ranker: Ranker, count: int) -> None:
    """The groups nearest to a user hold hardly anything that is allowed."""
    assert recall(ranker, without_liked_kinds(count)) >= 0.95


def test_without_the_wider_search_that_filter_loses_items(ranker: Ranker, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the recall above is the wider search's doing, and its failure would be seen."""
    monkeypatch.setattr(FactorIndex, "_probes_within", lambda index, *_: index.probes)
    assert recall(ranker, without_liked_kinds(20)) < 0.8


def test_few_allowed_items_are_ranked_exactly(ranker: Ranker) -> None:
    assert recall(ranker, np.arange(0, ITEMS, 4)) == 1.0


def test_a_list_longer_than_the_catalogue_holds_all_that_was_not_seen(ranker: Ranker) -> None:
    history = histories(1)[0]
    (all_of_them,) = ranker.recommend([history], 2 * ITEMS)
    (exact,) = ranker_of().recommend([history], 2 * ITEMS)
    assert len(all_of_them.items) == ITEMS - len(np.unique(seen(history)))
    assert set(all_of_them.items.tolist()) == set(exact.items.tolist())
    allowed = np.arange(30_000)
    (those,) = ranker.recommend([history], ITEMS, allowed=[allowed])
    assert set(those.items.tolist()) == set(allowed.tolist()) - set(seen(history).tolist())


def test_who_liked_nothing_known_gets_the_popular_list_with_the_filter_kept(ranker: Ranker) -> None:
    nobody = History(["nowhere"], np.array([ACTION_CODES["view"]]), np.array([np.nan]))
    (everything,) = ranker.recommend([nobody], 3)
    assert not everything.personal
    assert everything.items.tolist() == [ITEMS - 1, ITEMS - 2, ITEMS - 3]
    (odd,) = ranker.recommend([nobody], 3, allowed=[np.arange(1, 30_001, 2)])
    assert odd.items.tolist() == [29_999, 29_997, 29_995]


def test_two_builds_answer_alike(ranker: Ranker) -> None:
    again = ranker_of()
    assert again.build_search()
    for one, other in zip(ranker.recommend(histories(), 10), again.recommend(histories(), 10), strict=True):
        assert one.items.tolist() == other.items.tolist()


def test_strengths_are_ignored_where_the_scorer_ignores_them() -> None:
    plain = ranker_of(Unweighted(Factors(FOLDIN)))
    assert plain.build_search()
    carts = [h._replace(actions=np.arange(len(h.actions)) % 4) for h in histories(5)]
    exact = ranker_of(Unweighted(Factors(FOLDIN))).recommend(carts, 10)
    for one, other in zip(plain.recommend(carts, 10), exact, strict=True):
        assert share_found([one.items], [other.items]) >= 0.9
        assert one.scores[0] == pytest.approx(other.scores[0], rel=1e-4)


def test_a_scorer_without_factors_stays_exact() -> None:
    popular = ranker_of(Popularity(np.arange(ITEMS)))
    assert not popular.build_search()
    assert popular.search is None


def test_factors_without_any_order_get_no_index() -> None:
    """In pure noise the best are spread over all groups: more than half would have to be looked into."""
    noise = np.random.default_rng(8).normal(size=(5000, 64)).astype(np.float32)
    assert build_index(noise, noise[:50]) is None


def test_users_of_one_batch_do_not_touch_each_other(ranker: Ranker) -> None:
    given = histories(6)
    alone = [ranker.recommend([history], 10)[0].items.tolist() for history in given]
    assert [answer.items.tolist() for answer in ranker.recommend(given, 10)] == alone


def test_faiss_is_loaded_by_what_needs_it_only() -> None:
    code = "import sys, saran.core.recommender; sys.exit('faiss' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
