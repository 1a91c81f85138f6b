"""The items of a model version: as JSON fragments for lists, as whole items, and by title."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

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


_MADE_AHEAD: Final = 300_000
"""Items up to which the fragments of all are made when a version is loaded. Of more they are made when a list asks:
those of 1.4 million items are half a gigabyte, making them holds as much again, and lists of so many take longer."""


class _Fragments(NamedTuple):
    """JSON objects one after the other: that of place i is data[offsets[i] : offsets[i + 1]]."""

    offsets: NDArray[np.int64]
    data: bytes


class Catalogue:
    """Row i is the item whose factors are row i. Immutable."""

    def __init__(self, items: pa.Table, popularity: NDArray[np.int64], *, made_ahead: int = _MADE_AHEAD) -> None:
        self._items = items
        self._shown = items.select([name for name in _CARD.names if name in items.column_names])
        self._all = _fragments(self._shown) if items.num_rows <= made_ahead else None
        self._rank = np.empty(len(popularity), dtype=np.int64)
        self._rank[popularity] = np.arange(len(popularity))

    def card(self, row: int) -> bytes:
        """JSON object of an item as lists show it."""
        data, (start,), (stop,) = self._places(np.array([row]))
        return data[start:stop]

    def ranked(
        self,
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        ends: Sequence[bytes] | None = None,
        *,
        first: int = 1,
    ) -> bytes:
        """JSON array of items, best first, with score and rank, from `first`; `ends` holds further members of each."""
        data, starts, stops = self._places(rows)
        bounds = zip(starts, stops, scores.tolist(), [b""] * len(starts) if ends is None else ends, strict=True)
        return b"[%b]" % b",".join(
            [
                b'%b,"score":%.6g,"rank":%d%b}' % (data[start : stop - 1], score, rank, end)
                for rank, (start, stop, score, end) in enumerate(bounds, start=first)
            ]
        )

    def title(self, row: int) -> str | None:
        """Title of an item, None where it has none."""
        title: str | None = self._items.column("title")[row].as_py() if "title" in self._items.column_names else None
        return title

    def item(self, row: int) -> dict[str, Any]:
        """All that is known of an item."""
        record = self._items.slice(row, 1).to_pylist()[0]
        record["attributes"] = dict(record.get("attributes") or [])
        record["categories"] = record.get("categories") or []
        return {name: value for name, value in record.items() if value is not None}

    def search(self, text: str, limit: int) -> list[dict[str, Any]]:
        """Cards of items whose title holds `text`, case ignored, most popular first."""
        if "title" not in self._items.column_names:
            return []
        titles = self._items.column("title")
        holds = pc.fill_null(pc.match_substring(titles, text, ignore_case=True), False)
        rows = np.flatnonzero(holds.to_numpy())
        best = rows[np.argsort(self._rank[rows], kind="stable")[:limit]]
        return [json.loads(self.card(row)) for row in best.tolist()]

    def _places(self, rows: NDArray[np.int64]) -> tuple[bytes, list[int], list[int]]:
        """Where the fragments of some items begin and end in some bytes."""
        if self._all is not None:
            return self._all.data, self._all.offsets[rows].tolist(), self._all.offsets[rows + 1].tolist()
        if not len(rows):
            return b"", [], []
        # Slices, since `take` would join the chunks of all columns at every call.
        asked = pa.concat_tables([self._shown.slice(row, 1) for row in rows.tolist()])
        made = _fragments(asked.combine_chunks())
        return made.data, made.offsets[:-1].tolist(), made.offsets[1:].tolist()


def _fragments(items: pa.Table) -> _Fragments:
    columns = {field.name: _column(items, field) for field in _CARD}
    pieces = [
        piece
        for place, (name, column) in enumerate(columns.items())
        for piece in (_constant(f'{"," if place else "{"}"{name}":'), _json(column))
    ]
    texts = pc.binary_join_element_wise(*pieces, _constant("}"), _constant(""))
    _, offsets, data = texts.buffers()
    made = np.frombuffer(offsets, dtype=np.int64)[: len(texts) + 1]
    return _Fragments(made, b"" if data is None else data.to_pybytes())


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
