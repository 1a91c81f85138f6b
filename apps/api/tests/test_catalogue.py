"""The items of a version as lists show them: the same texts, made ahead or when they are asked for."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from saran.api.catalogue import Catalogue

ITEMS = pa.concat_tables(
    [
        pa.table(
            {
                "item_id": ["a", 'b"\\', "c\n\x01"],
                "title": ["Heat", None, 'A "quoted" \\ film\t'],
                "categories": [["Crime", "Drama"], None, []],
                "price": [1.5, None, float("nan")],
                "rating": [1.0, 2.0, 3.0],
            }
        ),
        pa.table(
            {
                "item_id": ["d", "é"],
                "title": ["heat wave", "Été"],
                "categories": [[], ['x"']],
                "price": [0.1, 1e9],
                "rating": [4.0, 5.0],
            }
        ),
    ]
)
"""In two chunks, as a large file is read."""
POPULARITY = np.array([3, 4, 0, 1, 2])
AHEAD, ASKED = Catalogue(ITEMS, POPULARITY), Catalogue(ITEMS, POPULARITY, made_ahead=4)


@pytest.mark.parametrize("catalogue", [AHEAD, ASKED], ids=["ahead", "asked"])
def test_a_card_is_json_of_the_item(catalogue: Catalogue) -> None:
    none = {"image_url": None, "url": None}
    for row, item in enumerate(ITEMS.to_pylist()):
        price = None if item["price"] is None or np.isnan(item["price"]) else item["price"]
        told = {"item_id": item["item_id"], "title": item["title"], "categories": item["categories"] or []}
        assert json.loads(catalogue.card(row)) == {**told, **none, "price": price}
        assert catalogue.title(row) == item["title"]
    assert [one["item_id"] for one in catalogue.search("HEAT", 5)] == ["d", "a"]
    assert catalogue.search("nothing", 5) == []


@pytest.mark.parametrize("catalogue", [AHEAD, ASKED], ids=["ahead", "asked"])
def test_a_list_has_its_items_in_its_order(catalogue: Catalogue) -> None:
    rows, scores = np.array([4, 0, 4]), np.array([2, 1.25, 0.5], dtype=np.float32)
    told = json.loads(catalogue.ranked(rows, scores, [b"", b',"why":1', b""], first=7))
    assert [(item["item_id"], item["score"], item["rank"]) for item in told] == [
        ("é", 2, 7),
        ("a", 1.25, 8),
        ("é", 0.5, 9),
    ]
    assert told[1]["why"] == 1
    assert catalogue.ranked(rows[:0], scores[:0]) == b"[]"


def test_both_ways_write_the_same_bytes() -> None:
    assert [ASKED.card(row) for row in range(5)] == [AHEAD.card(row) for row in range(5)]


def test_items_of_nothing_but_ids_have_no_titles() -> None:
    bare = Catalogue(pa.table({"item_id": ["a"]}), np.array([0]))
    assert bare.title(0) is None
    assert bare.search("a", 3) == []
