"""What every recommender has to do, whichever model makes its lists."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pytest

from saran.core.confidence import Interactions, Weights
from saran.core.entities import ACTION_CODES, ITEM_ARROW, Action
from saran.core.model_folder import Manifest, RecommenderModel, load_model, write_model
from saran.core.recommender import History, Ranked, Ranker, Recommender
from saran.core.scorers import Blend
from saran.spark.als_parameters import ALSParameters
from saran.spark.list_models import (
    ALSModel,
    BlendModel,
    ContentModel,
    Ground,
    ListModel,
    NeighbourModel,
    PopularityModel,
)
from saran.spark.list_parameters import BlendParameters, ContentParameters, NeighbourParameters
from saran.spark.model_kinds import BLEND, KINDS, POPULARITY
from saran.spark.split_files import EVERY_EVENT

SIZE: Final = 20
# Two factors for two tastes: with more, ALS learns by heart who lacks what.
PARAMETERS: Final = ALSParameters(rank=2, alpha=4.0, regularization=0.01)
SERVED: Final[dict[str, ListModel]] = {
    f"served {name}": model
    for name, model in (
        ("als", ALSModel(PARAMETERS)),
        ("neighbours", NeighbourModel(NeighbourParameters(method="cosine"))),
        ("ease", NeighbourModel(NeighbourParameters(method="ease", regularization=1.0))),
        ("content", ContentModel(ContentParameters())),
        ("popularity", PopularityModel()),
        (
            "blend",
            BlendModel(
                BlendParameters(als=PARAMETERS),
                {"als": 0.4, "neighbours": 0.2, "ease": 0.1, "content": 0.2, "popularity": 0.1},
            ),
        ),
    )
}
"""What `saran train` makes, written into a model folder and loaded by the class that the API loads it with."""

NAMES: Final = (*KINDS, BLEND, *SERVED)
NOT_PERSONAL: Final = {POPULARITY, "served popularity"}


def checkerboard() -> Interactions:
    """User u likes the items of u's parity, but for item u, which is withheld."""
    users, items = np.nonzero((np.add.outer(np.arange(SIZE), np.arange(SIZE)) % 2 == 0) & ~np.eye(SIZE, dtype=bool))
    return Interactions(users, items, np.ones(len(users)))


def uneven() -> Interactions:
    """The checkerboard, with item i liked by every user of i's parity below a bound that falls with i."""
    board = checkerboard()
    keep = board.users < SIZE - board.items // 2
    return Interactions(board.users[keep], board.items[keep], board.strengths[keep])


def make(name: str, given: Interactions, folder: Path, seed: int = 7) -> Ranker:
    if name in SERVED:
        return served(version(name, given, folder, seed), folder)
    parts = [
        kind.fit(given, SIZE, PARAMETERS_OF.get(part, kind.parameters()), seed)
        for part, kind in KINDS.items()
        if name in {part, BLEND}
    ]
    scorer = Blend(parts, [0.1, 0.2, 0.3, 0.4]) if name == BLEND else parts[0]
    return Ranker(item_ids(), scorer, popularity(given), weights=Weights(), history_length=EVERY_EVENT)


PARAMETERS_OF: Final = {
    "als": KINDS["als"].parameters(**PARAMETERS.model_dump()),
    "ease": KINDS["ease"].parameters(regularization=1.0),
}


def ground(given: Interactions, folder: Path, seed: int) -> Ground:
    """Everything of one day, of a catalogue that says of each item whether it is even."""
    records = [
        {"item_id": item, "categories": ["odd" if place % 2 else "even"], "is_available": True, "attributes": []}
        for place, item in enumerate(item_ids())
    ]
    items = pa.Table.from_pylist(records, schema=ITEM_ARROW)
    return Ground(None, items, given, np.zeros(len(given.users), dtype=np.int64), seed, folder / "checkpoints")


def version(name: str, given: Interactions, folder: Path, seed: int = 7) -> RecommenderModel:
    """What the trainer of a list model makes."""
    fitted = ground(given, folder, seed)
    manifest = Manifest(
        name="recommender",
        version=f"v{len(list(folder.glob('recommender/*')))}",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        dataset="checkerboard",
        synthetic=True,
        algorithm=SERVED[name].algorithm,
        parameters=SERVED[name].parameters.flat(),
        weights=Weights(),
        history_length=500,
        seed=seed,
        tables={},
        users=SIZE,
        items=SIZE,
        interactions=len(given.users),
    )
    return RecommenderModel(manifest, SERVED[name].fit(fitted), popularity(given), fitted.items)


def served(model: RecommenderModel, folder: Path) -> Recommender:
    """Written, and loaded again."""
    written = write_model(
        folder,
        model.manifest,
        parts=model.parts,
        popularity=model.popularity,
        items=model.items,
        interactions=pa.table({"user": ["u"]}),
    )
    return Recommender(load_model(written))


def item_ids() -> list[str]:
    return [f"i{item}" for item in range(SIZE)]


def popularity(given: Interactions) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.argsort(-np.bincount(given.items, minlength=SIZE), kind="stable")


def history(*items: str) -> History:
    return History(list(items), np.full(len(items), ACTION_CODES[Action.VIEW]), np.full(len(items), np.nan))


def even(*items: int) -> History:
    return history(*(f"i{item}" for item in items))


def only(ranker: Ranker, one: History, k: int) -> Ranked:
    (answer,) = ranker.recommend([one], k)
    return answer


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ranker(name: str, tmp_path: Path) -> Ranker:
    return make(name, uneven(), tmp_path)


def test_an_empty_history_gets_the_popular_items(ranker: Ranker) -> None:
    answer = only(ranker, history(), 5)
    assert not answer.personal
    assert list(answer.items) == list(popularity(uneven())[:5])


def test_an_unknown_item_is_as_no_item(ranker: Ranker) -> None:
    assert list(only(ranker, history("nowhere"), 5).items) == list(only(ranker, history(), 5).items)
    with_it, without = only(ranker, history("i2", "nowhere", "i6"), SIZE), only(ranker, even(2, 6), SIZE)
    assert list(with_it.items) == list(without.items)
    np.testing.assert_array_equal(with_it.scores, without.scores)


def test_a_user_whom_training_did_not_have_gets_the_items_of_the_same_taste(ranker: Ranker, name: str) -> None:
    answer = only(ranker, even(4, 10), 3)
    if name in NOT_PERSONAL:
        seen = {4, 10}
        assert list(answer.items) == [item for item in popularity(uneven()) if item not in seen][:3]
    else:
        assert answer.personal
        assert all(item % 2 == 0 for item in answer.items)


def test_duplicate_events_neither_break_nor_repeat(ranker: Ranker) -> None:
    answer = only(ranker, even(2, 2, 6, 2), SIZE)
    assert len(set(answer.items)) == len(answer.items) == SIZE - 2
    assert not {2, 6} & set(answer.items)


def test_who_has_seen_everything_gets_an_empty_list(ranker: Ranker) -> None:
    assert len(only(ranker, even(*range(SIZE)), 5).items) == 0


def test_a_list_longer_than_the_catalogue_is_the_catalogue(ranker: Ranker) -> None:
    answer = only(ranker, even(2), 10 * SIZE)
    assert sorted(answer.items) == [item for item in range(SIZE) if item != 2]
    assert np.all(np.diff(answer.scores) <= 0)
    assert len(only(ranker, even(2), 0).items) == 0


def test_what_was_seen_is_excluded_and_what_is_not_allowed_too(ranker: Ranker) -> None:
    assert not {0, 2, 3} & set(only(ranker, even(0, 2, 3), SIZE).items)
    for one in (even(0, 2), history()):
        (answer,) = ranker.recommend([one], SIZE, allowed=[np.array([0, 4, 5])])
        assert set(answer.items) == ({4, 5} if one.item_ids else {0, 4, 5})


def test_the_same_seed_gives_the_same_lists(name: str, tmp_path: Path) -> None:
    crowd = [even(2, 6), even(1), history(), even(3, 4, 5)]
    for left, right in zip(
        make(name, uneven(), tmp_path).recommend(crowd, SIZE),
        make(name, uneven(), tmp_path).recommend(crowd, SIZE),
        strict=True,
    ):
        assert list(left.items) == list(right.items)
        np.testing.assert_array_equal(left.scores, right.scores)


def test_users_do_not_influence_each_other(ranker: Ranker) -> None:
    crowd = [even(2, 6), history(), even(1), even(*range(SIZE)), even(3, 4, 5)]
    for together, one in zip(ranker.recommend(crowd, SIZE), crowd, strict=True):
        alone = only(ranker, one, SIZE)
        assert together.personal == alone.personal
        np.testing.assert_allclose(np.sort(together.scores), np.sort(alone.scores), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("served_name", SERVED)
def test_save_and_load_give_equal_answers(served_name: str, tmp_path: Path) -> None:
    model = version(served_name, uneven(), tmp_path)
    kept, loaded = Recommender(model), served(model, tmp_path)
    crowd = [even(2, 6), history(), even(1)]
    for left, right in zip(loaded.recommend(crowd, SIZE), kept.recommend(crowd, SIZE), strict=True):
        assert list(left.items) == list(right.items)
        np.testing.assert_array_equal(left.scores, right.scores)
    for item in item_ids():
        (one, mine), (other, its) = loaded.similar(item, SIZE), kept.similar(item, SIZE)
        assert (one, list(mine.items)) == (other, list(its.items))


@pytest.mark.parametrize("served_name", sorted(set(SERVED) - {"served popularity"}))
def test_items_alike_are_of_one_taste_and_never_the_item_itself(served_name: str, tmp_path: Path) -> None:
    recommender = served(version(served_name, uneven(), tmp_path), tmp_path)
    for item in range(SIZE):
        ranked = recommender.similar(f"i{item}", 4).ranked
        assert len(ranked.items) == 4
        assert all(other % 2 == item % 2 and other != item for other in ranked.items)
        assert np.all(np.diff(ranked.scores) <= 0)
    with pytest.raises(KeyError):
        recommender.similar("nowhere", 4)
    assert len(recommender.similar("i3", 10 * SIZE).ranked.items) < SIZE


def test_popularity_knows_no_items_alike(tmp_path: Path) -> None:
    recommender = served(version("served popularity", uneven(), tmp_path), tmp_path)
    assert len(recommender.similar("i3", 4).ranked.items) == 0


def test_the_withheld_item_of_a_checkerboard_comes_first(name: str, tmp_path: Path) -> None:
    board = checkerboard()
    histories = [even(*board.items[board.users == user]) for user in range(SIZE)]
    first = [int(answer.items[0]) for answer in make(name, board, tmp_path).recommend(histories, 1)]
    # All items are equally popular: there the first that the user has not seen leads, which is 0 or, if seen, 1.
    popular = [0 if user % 2 or not user else 1 for user in range(SIZE)]
    assert first == (popular if name in NOT_PERSONAL else list(range(SIZE)))
