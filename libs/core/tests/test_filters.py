"""Which items conditions leave, against what a loop over the items says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from saran.core.entities import ITEM_ARROW
from saran.core.filters import UNRATED, ItemColumns, ItemFilter, least_age

ITEMS: list[dict[str, Any]] = [
    {"item_id": "0", "categories": ["Drama", "War"], "price": 5.0, "age_rating": "17+", "is_available": True},
    {"item_id": "1", "categories": ["drama"], "price": 9.99, "age_rating": "all", "is_available": False},
    {"item_id": "2", "categories": [], "price": None, "age_rating": None, "is_available": None},
    {"item_id": "3", "categories": ["Comedy"], "price": 0.0, "age_rating": "13+", "is_available": True},
    {"item_id": "4", "categories": None, "price": 100.0, "age_rating": "Not Rated", "is_available": True},
    {"item_id": "5", "categories": ["Comedy", "War", None], "price": 10.0, "age_rating": "7+", "is_available": True},
]


def table(items: list[dict[str, Any]]) -> pa.Table:
    schema = pa.schema([field.with_nullable(True) for field in ITEM_ARROW])
    return pa.Table.from_pylist(items, schema=schema)


COLUMNS = ItemColumns(table(ITEMS))


def left(**conditions: Any) -> list[int]:
    mask, _ = COLUMNS.select(ItemFilter(**conditions))
    assert mask is not None
    return [int(row) for row in np.flatnonzero(mask)]


@pytest.mark.parametrize(
    ("conditions", "rows"),
    [
        ({"category": ["Drama"]}, [0, 1]),  # case is ignored
        ({"category": ["WAR"]}, [0, 5]),
        ({"category": ["Comedy", "Drama"]}, [0, 1, 3, 5]),
        ({"min_price": 9.99}, [1, 4, 5]),
        ({"max_price": 9.99}, [0, 1, 3]),  # the item without a price is in neither
        ({"min_price": 5, "max_price": 10}, [0, 1, 5]),
        ({"max_age": 0}, [1]),
        ({"max_age": 12}, [1, 5]),
        ({"max_age": 13}, [1, 3, 5]),
        ({"max_age": 120}, [0, 1, 3, 5]),  # what is not rated is for nobody of whom an age is known
        ({"available": True}, [0, 2, 3, 4, 5]),
        ({"category": ["war"], "max_price": 7, "max_age": 18, "available": True}, [0]),
        ({"category": ["war"], "max_age": 3}, []),
    ],
)
def test_all_conditions_hold(conditions: dict[str, Any], rows: list[int]) -> None:
    assert left(**conditions) == rows


def test_no_condition_is_no_mask() -> None:
    assert COLUMNS.select(ItemFilter()) == (None, [])


def test_what_no_item_can_meet_is_said() -> None:
    mask, notes = COLUMNS.select(ItemFilter(category=["Dramma", "War"]))
    assert mask is not None
    assert list(np.flatnonzero(mask)) == [0, 5]
    assert notes == ["no item of this model has the category 'Dramma'"]
    bare = ItemColumns(pa.table({"item_id": ["0", "1"]}))
    mask, notes = bare.select(ItemFilter(category=["x"], max_price=1, max_age=18, available=True))
    assert mask is not None
    assert not mask.any()
    assert notes == [
        "no item of this model has the category 'x'",
        "no item of this model has a price",
        "no item of this model has an age rating",
    ]
    assert bare.categories() == []


def test_categories_are_counted() -> None:
    assert COLUMNS.categories() == [("Comedy", 2), ("War", 2), ("Drama", 1), ("drama", 1)]


def test_a_catalogue_in_pieces_is_one_catalogue() -> None:
    pieces = ItemColumns(pa.concat_tables([table(ITEMS[:2]), table(ITEMS[2:])]))
    for conditions in ({"category": ["war"]}, {"max_age": 13}, {"max_price": 9.99}, {"available": True}):
        whole, part = COLUMNS.select(ItemFilter(**conditions)).mask, pieces.select(ItemFilter(**conditions)).mask
        np.testing.assert_array_equal(whole, part)


def test_an_empty_catalogue() -> None:
    empty = ItemColumns(table([]))
    mask, _ = empty.select(ItemFilter(category=["x"], max_age=5, min_price=1, available=True))
    assert mask is not None
    assert len(mask) == 0


@pytest.mark.parametrize(
    ("text", "age"),
    [("all", 0), ("13+", 13), (" 7+ ", 7), ("18", 18), ("PG-13", UNRATED), ("", UNRATED), (None, UNRATED)],
)
def test_ages(text: str | None, age: int) -> None:
    assert least_age(text) == age


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"min_price": -1}, "min_price"),
        ({"max_price": float("nan")}, "max_price"),
        ({"min_price": 3, "max_price": 2}, "max_price"),
        ({"max_age": 121}, "max_age"),
        ({"category": [""]}, "category"),
        ({"category": ["x"] * 21}, "category"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ItemFilter(**wrong)
    assert refused.value.errors()[0]["loc"][0] == field
