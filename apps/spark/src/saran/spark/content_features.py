"""What the catalogue says of an item, as weighted words and values: the rows that alike items share.

Words of title and description, categories, the members of each attribute, age class, decade of release and the tenth
of all prices that the price is in. A word or value of few items counts more (TF-IDF with a dampened frequency, as in
Salton, Buckley: "Term-weighting approaches in automatic text retrieval", 1988). Within an item each of these parts
has length 1 times its weight, so that a long description does not drown the categories.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saran.core.confidence import FloatArray, IntArray
from saran.core.names import Attribute
from saran.core.rows import Rows
from saran.spark.list_parameters import ContentParameters

_NO_WORD: Final = r"[^\p{L}\p{N}]+"
_BETWEEN_VALUES: Final = r"[,;|\[\]'\"]+"
_SKIPPED: Final = (Attribute.AGE_RATING_SOURCE, Attribute.CATEGORIES_SOURCE, Attribute.CERTIFICATE)
"""Attributes that repeat the age class, or say where it or the categories come from."""

_PRICE_PARTS: Final = 10


class _Terms(NamedTuple):
    """Texts and the items that have them, as often as they have them; two arrays of one length."""

    items: IntArray
    texts: pa.Array


def content_rows(items: pa.Table, parameters: ContentParameters) -> tuple[Rows, int]:
    """The terms of each item with their weights, and how many terms there are.

    `items` has the columns of ITEM_ARROW. An item of which nothing is said has an empty row.
    """
    rows: list[IntArray] = []
    columns: list[IntArray] = []
    weights: list[FloatArray] = []
    terms = 0
    for weight, part in _parts(items, parameters):
        found = _weighed(part, items.num_rows, parameters)
        rows.append(found[0])
        columns.append(found[1] + terms)
        weights.append(found[2] * weight)
        terms += int(found[1].max(initial=-1)) + 1
    row, column, value = (np.concatenate(parts) for parts in (rows, columns, weights))
    order = np.lexsort((column, row))
    starts = np.zeros(items.num_rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(row, minlength=items.num_rows), out=starts[1:])
    return Rows(starts, column[order].astype(np.int32), value[order].astype(np.float32)), terms


def _parts(items: pa.Table, parameters: ContentParameters) -> Iterator[tuple[float, _Terms]]:
    title, description = (_split(items.column(name), _NO_WORD) for name in ("title", "description"))
    yield parameters.text, _joined(title, description)
    yield parameters.categories, _listed(items.column("categories"))
    yield parameters.attributes, _attributes(items.column("attributes"))
    yield parameters.age, _values(items.column("age_rating"))
    yield parameters.release, _values(pc.utf8_slice_codeunits(items.column("release_date"), 0, 3))
    yield parameters.price, _price_tenths(items.column("price"))


def _weighed(terms: _Terms, items: int, parameters: ContentParameters) -> tuple[IntArray, IntArray, FloatArray]:
    """Item, term and weight of each pair, each item's weights of length 1."""
    encoded = terms.texts.dictionary_encode()
    size = max(1, len(encoded.dictionary))
    pairs, counts = np.unique(terms.items * size + encoded.indices.to_numpy().astype(np.int64), return_counts=True)
    item, term = np.divmod(pairs, size)
    spread = np.bincount(term, minlength=size)
    kept = (spread >= parameters.least) & (spread <= parameters.most)
    keep = kept[term]
    item, term, counts = item[keep], term[keep], counts[keep]
    weight = (1 + np.log(counts)) * np.log1p(items / spread[term])
    length = np.sqrt(np.bincount(item, weights=weight**2, minlength=items))
    return item, (np.cumsum(kept) - 1)[term], weight / length[item]


def _split(texts: pa.ChunkedArray, between: str) -> _Terms:
    """Each text's parts, in small letters, without blanks around them and without empty ones."""
    lists = pc.split_pattern_regex(pc.utf8_lower(pc.fill_null(texts, "")), between)
    return _clean(lists)


def _listed(lists: pa.ChunkedArray) -> _Terms:
    return _clean(pc.fill_null(lists, pa.scalar([], lists.type)))


def _clean(lists: pa.ChunkedArray) -> _Terms:
    whole = lists.combine_chunks()
    items = pc.list_parent_indices(whole).to_numpy().astype(np.int64)
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(pc.list_flatten(whole)))
    some = pc.fill_null(pc.not_equal(texts, ""), False)
    return _Terms(items[some.to_numpy(zero_copy_only=False)], texts.filter(some))


def _values(texts: pa.ChunkedArray) -> _Terms:
    whole = texts.combine_chunks()
    some = pc.is_valid(whole)
    return _Terms(np.flatnonzero(some.to_numpy(zero_copy_only=False)), whole.filter(some))


def _attributes(maps: pa.ChunkedArray) -> _Terms:
    """`name=member` for each member of each attribute's list."""
    whole = pc.fill_null(maps, pa.scalar([], maps.type)).combine_chunks()
    entries = pc.list_flatten(whole.cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))))
    owners = pc.list_parent_indices(whole.cast(pa.list_(entries.type))).to_numpy()
    names, values = entries.field("key"), pa.chunked_array([entries.field("value")])
    members = _split(values, _BETWEEN_VALUES)
    named = pc.binary_join_element_wise(names.take(pa.array(members.items)), members.texts, "=")
    wanted = pc.invert(pc.is_in(names.take(pa.array(members.items)), value_set=pa.array(_SKIPPED)))
    mine = wanted.to_numpy(zero_copy_only=False)
    return _Terms(owners[members.items[mine]].astype(np.int64), named.filter(wanted))


def _price_tenths(prices: pa.ChunkedArray) -> _Terms:
    known = prices.to_numpy()
    some = np.isfinite(known)
    if not some.any():
        return _Terms(np.zeros(0, dtype=np.int64), pa.array([], type=pa.string()))
    cuts = np.quantile(known[some], np.linspace(0, 1, _PRICE_PARTS + 1)[1:-1])
    return _Terms(np.flatnonzero(some), pa.array(np.searchsorted(cuts, known[some]).astype(str)))


def _joined(one: _Terms, other: _Terms) -> _Terms:
    return _Terms(np.concatenate([one.items, other.items]), pa.concat_arrays([one.texts, other.texts]))
