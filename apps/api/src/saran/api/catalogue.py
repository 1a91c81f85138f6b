"""The items of a model version: as JSON fragments for lists, as whole items, and by title."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_CARD: Final[dict[str, pl.DataType]] = {
    "item_id": pl.String(),
    "title": pl.String(),
    "categories": pl.List(pl.String()),
    "image_url": pl.String(),
    "url": pl.String(),
    "price": pl.Float64(),
}


class Catalogue:
    """Row i is the item whose factors are row i. Immutable."""

    def __init__(self, items: pa.Table, popularity: NDArray[np.int64]) -> None:
        self._items = items
        names = [name for name in _CARD if name in items.column_names]
        frame = pl.DataFrame(pl.from_arrow(items.select(names)))
        frame = frame.with_columns(
            [pl.lit(None, dtype=kind).alias(name) for name, kind in _CARD.items() if name not in names]
        ).select([pl.col(name).cast(kind) for name, kind in _CARD.items()])
        frame = frame.with_columns(pl.col("categories").fill_null(pl.lit([], dtype=pl.List(pl.String))))
        encoded = frame.select(pl.struct(pl.all()).struct.json_encode().alias("json"))["json"]
        texts = encoded.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.large_binary())
        _, offsets, data = texts.buffers()
        self._offsets = np.frombuffer(offsets, dtype=np.int64)[: len(texts) + 1]
        self._data: bytes = data.to_pybytes() if data is not None else b""
        self._titles = frame["title"].to_arrow(compat_level=pl.CompatLevel.oldest())
        self._rank = np.empty(len(popularity), dtype=np.int64)
        self._rank[popularity] = np.arange(len(popularity))

    def card(self, row: int) -> bytes:
        """JSON object of an item as lists show it."""
        return self._data[self._offsets[row] : self._offsets[row + 1]]

    def ranked(self, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> bytes:
        """JSON array of items, best first, with score and rank."""
        data = self._data
        bounds = zip(self._offsets[rows].tolist(), self._offsets[rows + 1].tolist(), scores.tolist(), strict=True)
        return b"[%b]" % b",".join(
            [
                b'%b,"score":%.6g,"rank":%d}' % (data[start : stop - 1], score, rank)
                for rank, (start, stop, score) in enumerate(bounds, start=1)
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
