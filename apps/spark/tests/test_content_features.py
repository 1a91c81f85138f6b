"""Terms of a catalogue small enough to count by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from saran.core.entities import ITEM_ARROW
from saran.core.rows import transposed
from saran.spark.content_features import content_rows
from saran.spark.list_parameters import ContentParameters
from saran.spark.nearest import nearest

NOTHING: dict[str, Any] = {"text": 0.0, "categories": 0.0, "attributes": 0.0, "price": 0.0, "age": 0.0, "release": 0.0}


def table(*items: dict[str, Any]) -> pa.Table:
    bare = {"categories": None, "is_available": True, "attributes": None}
    records = [{**bare, "item_id": f"i{place}", **item} for place, item in enumerate(items)]
    return pa.Table.from_pylist(records, schema=ITEM_ARROW)


def alike(items: pa.Table, **weights: float) -> np.ndarray:
    """Scalar products of all pairs of items, by the parts that are given a weight."""
    rows, terms = content_rows(items, ContentParameters.of({"least": 1, **NOTHING, **weights}))
    dense = np.zeros((items.num_rows, max(1, terms)))
    dense[np.repeat(np.arange(items.num_rows), np.diff(rows.starts)), rows.columns] = rows.strengths
    return np.asarray(dense @ dense.T)


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    items = table({"title": "The Red Door"}, {"title": "the red house"}, {"title": "The, boat"}, {"title": None})
    found = alike(items, text=2.0)
    rare, common, own = (np.log1p(4 / count) for count in (2, 3, 1))
    long, short = np.sqrt(rare**2 + common**2 + own**2), np.sqrt(common**2 + own**2)
    assert found[0, 1] == pytest.approx(4 * (rare**2 + common**2) / long**2)
    assert found[0, 2] == pytest.approx(4 * common**2 / (long * short))
    assert found[3].tolist() == [0, 0, 0, 0]
    assert np.diag(found)[:3] == pytest.approx([4, 4, 4])


def test_each_field_is_compared_with_itself_only() -> None:
    items = table(
        {"title": "drama", "categories": ["Crime", " drama "], "attributes": {"studio": "A, B", "theme": "A"}},
        {"description": "x", "categories": ["DRAMA", "crime"], "attributes": {"studio": "b;c"}},
        {"categories": ["A"], "attributes": {"theme": None, "age_rating_source": "given"}},
        {"attributes": {"age_rating_source": "given", "studio": "c"}},
    )
    assert alike(items, text=1.0)[0, 1] == 0
    assert alike(items, categories=1.0)[0, 1] == pytest.approx(1)
    assert alike(items, categories=1.0)[0, 2] == 0
    by_attribute = alike(items, attributes=1.0)
    assert by_attribute[0, 1] > 0
    assert by_attribute[1, 3] > by_attribute[0, 1]
    assert by_attribute[2].tolist() == [0, 0, 0, 0]


def test_price_age_and_decade_are_values() -> None:
    items = table(
        *({"price": float(place), "age_rating": "13+", "release_date": "1994"} for place in range(20)),
        {"price": 19.5, "age_rating": "7+", "release_date": "1999-05-01"},
    )
    price = alike(items, price=1.0)
    assert price[20, 19] == pytest.approx(1)
    assert price[20, 0] == 0
    assert alike(items, age=1.0)[0, [1, 20]].tolist() == pytest.approx([1, 0])
    assert alike(items, release=1.0)[0, 20] == pytest.approx(1)


def test_what_too_few_or_too_many_have_is_left_out() -> None:
    items = table({"title": "all a"}, {"title": "all a"}, {"title": "all b"})
    rows, terms = content_rows(items, ContentParameters.of({**NOTHING, "least": 2, "most": 2, "text": 1.0}))
    assert terms == 1
    found = nearest(None, rows, transposed(rows, terms), shrink=0, most=5)
    assert (list(found.starts), list(found.columns)) == ([0, 1, 2, 2], [1, 0])
