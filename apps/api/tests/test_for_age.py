"""Lists for an age: which items, in what order, and where their age class comes from."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from saran.api.catalogue import Catalogue
from saran.api.model_store import Served
from saran.api.routes.ages import for_age
from saran.core.api_shapes import ForAge
from saran.core.confidence import Weights
from saran.core.filters import ItemColumns
from saran.core.model_folder import Manifest, load_model, write_model
from saran.core.model_parts import Part, ages_part, popularity_part
from saran.core.names import Model
from saran.core.recommender import Recommender

BORN = datetime(2026, 1, 1, tzinfo=UTC)
ITEMS = 12
RATINGS = ["17+", None, "all", "13+", "7+", "7+", "all", "18+", "13+", None, "X", "7+"]
"""Item 11 is the most popular, item 0 the least."""


def served(
    folder: Path, ratings: list[str | None], sources: list[str | None], more: dict[str, Part] | None = None
) -> Served:
    manifest = Manifest(
        name=Model.RECOMMENDER,
        version="v1",
        created_at=BORN,
        dataset="movies",
        synthetic=False,
        algorithm="popularity",
        parameters={},
        weights=Weights(),
        history_length=10,
        seed=1,
        tables={},
        users=3,
        items=ITEMS,
        interactions=4,
        newest_event=BORN,
    )
    attributes = [[("age_rating_source", source)] if source else [] for source in sources]
    items = pa.table(
        {
            "item_id": [f"i{row}" for row in range(ITEMS)],
            "title": [f"Film {row}" for row in range(ITEMS)],
            "age_rating": pa.array(ratings, pa.string()),
            "attributes": pa.array(attributes, pa.map_(pa.string(), pa.string())),
        }
    )
    write_model(
        folder,
        manifest,
        parts={
            "popularity": popularity_part(np.arange(ITEMS, dtype=np.float64), {"half_life_days": 30.0}),
            **(more or {}),
        },
        popularity=np.arange(ITEMS)[::-1].copy(),
        items=items,
        interactions=pa.table({"user": ["p"], "item": [0], "strength": [1.0]}),
    )
    model = load_model(folder / Model.RECOMMENDER / "v1")
    return Served(
        model.manifest, Recommender(model), Catalogue(model.items, model.popularity), ItemColumns(model.items)
    )


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Item 8's class is derived, all others are given."""
    return served(tmp_path_factory.mktemp("models"), RATINGS, ["derived" if row == 8 else "given" for row in range(12)])


def shown(answer: ForAge) -> list[Any]:
    return [item.item_id for item in answer.items]


def test_items_for_an_age_come_most_popular_first(films: Served) -> None:
    answer = for_age(films, 12, 10, own_class=False)
    assert shown(answer) == ["i11", "i6", "i5", "i4", "i2"]
    assert [item.rank for item in answer.items] == [1, 2, 3, 4, 5]
    assert (answer.source, answer.model_version, answer.as_of) == ("popular", "v1", BORN)
    assert (answer.provenance, answer.note) == ("given", None)
    assert answer.items[0].age_rating == "7+"
    assert shown(for_age(films, 12, 2, own_class=False)) == ["i11", "i6"]


def test_what_the_spec_derived_is_said_of_the_item_and_of_the_list(films: Served) -> None:
    answer = for_age(films, 13, 10, own_class=False)
    assert {item.item_id: item.age_provenance for item in answer.items if item.age_provenance != "given"} == {
        "i8": "derived"
    }
    assert answer.provenance == "derived"


def test_an_age_has_a_class_of_its_own(films: Served) -> None:
    assert shown(for_age(films, 12, 10, own_class=True)) == ["i11", "i5", "i4"]
    assert shown(for_age(films, 16, 10, own_class=True)) == ["i8", "i3"]
    assert shown(for_age(films, 99, 10, own_class=True)) == ["i7"]


def test_what_users_of_the_age_like_comes_first_and_then_what_everybody_likes(tmp_path: Path) -> None:
    ages: dict[str, Any] = {
        "least": np.array([0, 13, 25], dtype=np.int16),
        "people": np.array([2, 15, 11], dtype=np.int32),
        "starts": np.array([0, 0, 4, 5]),
        # Item 7 is for 18 and older, item 1 has no class.
        "items": np.array([7, 2, 1, 8, 7], dtype=np.int32),
        "scores": np.array([9, 6.5, 5, 2, 3], dtype=np.float32),
        "users": np.array([9, 7, 5, 2, 3], dtype=np.int32),
    }
    films = served(tmp_path, RATINGS, ["given"] * ITEMS, {"ages": ages_part(ages, {})})
    answer = for_age(films, 16, 5, own_class=False)
    assert shown(answer) == ["i2", "i8", "i11", "i6", "i5"]
    assert answer.source == "age_group"
    assert answer.age_group is not None
    assert (answer.age_group.name, answer.age_group.people) == ("13-24", 15)
    assert [item.users for item in answer.items] == [7, 2, 0, 0, 0]
    assert [item.rank for item in answer.items] == [1, 2, 3, 4, 5]
    assert [item.score for item in answer.items] == [1 / rank for rank in range(1, 6)]
    assert shown(for_age(films, 16, 1, own_class=False)) == ["i2"]
    assert shown(for_age(films, 16, 9, own_class=True)) == ["i8", "i3"]
    # Nobody speaks for the youngest.
    young = for_age(films, 12, 2, own_class=False)
    assert (shown(young), young.source, young.age_group) == (["i11", "i6"], "popular", None)
    assert {item.users for item in young.items} == {None}
    assert shown(for_age(films, 30, 2, own_class=False)) == ["i7", "i11"]


def test_an_empty_list_says_why(tmp_path: Path, films: Served) -> None:
    none: list[str | None] = [None] * 12
    unrated = for_age(served(tmp_path / "none", none, none), 30, 10, own_class=True)
    assert (unrated.items, unrated.provenance) == ([], None)
    assert unrated.note is not None
    assert "no item of this model has an age rating" in unrated.note
    grown: list[str | None] = ["18+"] * 12
    child = for_age(served(tmp_path / "grown", grown, none), 6, 10, own_class=False)
    assert child.note == "no item of this model is for somebody of 6: the lowest age class is 18+"
