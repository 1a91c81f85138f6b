"""The age class or category of an item that has none of its own: gold.item_labels into the catalogue, as derived."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saran.core.datasets.spec import Origin
from saran.core.names import Attribute

AGE: Final = "age"
GENRE: Final = "genre"

_ENTRY: Final = pa.struct([("key", pa.string()), ("value", pa.string())])


def own_age(items: pa.Table) -> pa.ChunkedArray:
    """The age class of each item that has one of its own: null where the data set's spec derived it."""
    derived = pc.map_lookup(items.column("attributes"), Attribute.AGE_RATING_SOURCE, "first")
    given = pc.invert(pc.fill_null(pc.equal(derived, Origin.DERIVED.value), False))
    return pc.if_else(given, items.column("age_rating"), pa.scalar(None, pa.string()))


def own_genre(items: pa.Table) -> pa.ChunkedArray:
    """The first category of each item; null where there is none."""
    lists = items.column("categories").combine_chunks()
    some = pc.greater(pc.fill_null(pc.list_value_length(lists), 0), 0).to_numpy(zero_copy_only=False)
    firsts = pc.list_element(lists.filter(pa.array(some)), 0)
    places = np.cumsum(some) - 1
    return pa.chunked_array([firsts.take(pa.array(places, mask=~some))])


def enriched(items: pa.Table, labels: pa.Table) -> pa.Table:
    """`items` (ITEM_ARROW); one without any value gets that of `labels` (target, item_id, label), as derived."""
    for target, column, attribute in (
        (AGE, "age_rating", Attribute.AGE_RATING_SOURCE),
        (GENRE, "categories", Attribute.CATEGORIES_SOURCE),
    ):
        mine = labels.filter(pc.equal(labels.column("target"), target))
        found = pc.index_in(items.column("item_id"), value_set=mine.column("item_id").combine_chunks()).combine_chunks()
        label = mine.column("label").combine_chunks().take(found)
        whole = items.column(column).combine_chunks()
        none = pc.is_null(whole) if target == AGE else pc.equal(pc.fill_null(pc.list_value_length(whole), 0), 0)
        filled = pc.and_(none, pc.is_valid(label))
        mask = filled.to_numpy(zero_copy_only=False)
        if not mask.any():
            continue
        age = target == AGE
        changed = pc.if_else(filled, label, whole) if age else _appended(whole, mask, label.filter(filled))
        items = items.set_column(items.column_names.index(column), column, changed)
        said = pa.array([(attribute, Origin.DERIVED.value)], _ENTRY)
        maps = items.column("attributes").combine_chunks()
        more = _appended(maps.cast(pa.list_(_ENTRY)), mask, said.take(pa.array(np.zeros(int(mask.sum()), np.int64))))
        place = items.column_names.index("attributes")
        entries = more.values
        whole_maps = pa.MapArray.from_arrays(more.offsets, entries.field("key"), entries.field("value"))
        items = items.set_column(place, "attributes", whole_maps)
    return items


def _appended(lists: pa.Array, mask: np.ndarray[tuple[int], np.dtype[np.bool_]], more: pa.Array) -> pa.Array:
    """The lists with one more member at the end of each of `mask`, in their order; a null is an empty list."""
    lists = pc.fill_null(lists, pa.scalar([], lists.type))
    ends = np.cumsum(pc.list_value_length(lists).to_numpy(zero_copy_only=False)).astype(np.int64)
    flat = pc.list_flatten(lists)
    order = np.insert(np.arange(len(flat)), ends[mask], len(flat) + np.arange(len(more)))
    offsets = np.concatenate([[0], ends + np.cumsum(mask)]).astype(np.int32)
    members = pa.concat_arrays([flat, more.cast(flat.type)]).take(pa.array(order))
    return pa.ListArray.from_arrays(pa.array(offsets), members)
