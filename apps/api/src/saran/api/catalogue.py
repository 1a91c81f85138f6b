"""The items of a model version: as JSON fragments for lists, as whole items, and by title."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_TEXT: Final = pa.large_string()
_CARD: Final = pa.schema(
    [
        ("item_id", _TEXT),
        ("title", _TEXT),
        ("categories", pa.large_list(_TEXT)),
        ("image_url", _TEXT),
        ("url", _TEXT),
        ("price", pa.float64()),
    ]
)


class Catalogue:
    """Row i is the item whose factors are row i. Immutable."""

    def __init__(self, items: pa.Table, popularity: NDArray[np.int64]) -> None:
        self._items = items
        columns = {field.name: _column(items, field) for field in _CARD}
        pieces = [
            piece
            for place, (name, column) in enumerate(columns.items())
            for piece in (_constant(f'{"," if place else "{"}"{name}":'), _json(column))
        ]
        texts = pc.binary_join_element_wise(*pieces, _constant("}"), _constant(""))
        _, offsets, data = texts.buffers()
        self._offsets = np.frombuffer(offsets, dtype=np.int64)[: len(texts) + 1]
        self._data: bytes = data.to_pybytes() if data is not None else b""
        self._titles = columns["title"]
        self._rank = np.empty(len(popularity), dtype=np.int64)
        self._rank[popularity] = np.arange(len(popularity))

    def card(self, row: int) -> bytes:
        """JSON object of an item as lists show it."""
        return self._data[self._offsets[row] : self._offsets[row + 1]]

    def ranked(
        self,
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        ends: Sequence[bytes] | None = None,
        *,
        first: int = 1,
    ) -> bytes:
        """JSON array of items, best first, with score and rank, from `first`; `ends` holds further members of each."""
        data = self._data
        starts, stops = self._offsets[rows].tolist(), self._offsets[rows + 1].tolist()
        bounds = zip(starts, stops, scores.tolist(), [b""] * len(starts) if ends is None else ends, strict=True)
        return b"[%b]" % b",".join(
            [
                b'%b,"score":%.6g,"rank":%d%b}' % (data[start : stop - 1], score, rank, end)
                for rank, (start, stop, score, end) in enumerate(bounds, start=first)
            ]
        )

    def title(self, row: int) -> str | None:
        """Title of an item, None where it has none."""
        title: str | None = self._titles[row].as_py()
        return title

    def item(self, row: int) -> dict[str, Any]:
        """All that is known of an item."""
        record = self._items.slice(row, 1).to_pylist()[0]
        record["attributes"] = dict(record.get("attributes") or [])
        record["categories"] = record.get("categories") or []
        return {name: value for name, value in record.items() if value is not None}

    def search(self, text: str, limit: int) -> list[dict[str, Any]]:
        """Cards of items whose title holds `text`, case ignored, most popular first."""
        rows = np.flatnonzero(
            pc.fill_null(pc.match_substring(self._titles, text, ignore_case=True), False).to_numpy(zero_copy_only=False)
        )
        best = rows[np.argsort(self._rank[rows], kind="stable")[:limit]]
        return [json.loads(self.card(row)) for row in best.tolist()]


def _column(items: pa.Table, field: pa.Field) -> pa.Array:
    if field.name not in items.column_names:
        return pa.nulls(items.num_rows, field.type)
    column = items.column(field.name).cast(field.type).combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _json(column: pa.Array) -> pa.Array:
    """JSON of each value, whole columns at a time; a list that is null is empty."""
    if pa.types.is_large_list(column.type):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]))
        members = pa.LargeListArray.from_arrays(offsets, _json(pc.list_flatten(column)))
        return pc.binary_join_element_wise(
            _constant("["), pc.binary_join(members, _constant(",")), _constant("]"), _constant("")
        )
    if pa.types.is_floating(column.type):
        finite = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
        return pc.fill_null(finite.cast(_TEXT), "null")
    quoted = pc.binary_join_element_wise(_constant('"'), _escaped(column), _constant('"'), _constant(""))
    return pc.fill_null(quoted, "null")


def _escaped(texts: pa.Array) -> pa.Array:
    texts = pc.replace_substring(texts, "\\", "\\\\")
    texts = pc.replace_substring(texts, '"', '\\"')
    if pc.any(pc.match_substring_regex(texts, r"[\x00-\x1f]")).as_py():
        for code in range(0x20):
            texts = pc.replace_substring(texts, chr(code), f"\\u{code:04x}")
    return texts


def _constant(text: str) -> pa.Scalar:
    return pa.scalar(text, _TEXT)
