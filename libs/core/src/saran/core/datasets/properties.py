"""Catalogues in long format: a row says that a property of an item had a value from a time on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from saran.core.datasets import rules
from saran.core.datasets.blocks import REJECTED_SCHEMA, ItemBlock
from saran.core.datasets.event_ids import row_ids
from saran.core.datasets.items import ItemReader, no_items
from saran.core.datasets.rules import Rule
from saran.core.datasets.spec import DatasetSpec, PropertyFormat
from saran.core.datasets.table import read_table

_COMPACT_ROWS = 2_000_000
"""Values held before older ones are dropped: bounds memory by the number of items, not of rows."""


def read_properties(
    spec: DatasetSpec,
    form: PropertyFormat,
    reader: ItemReader,
    files: Sequence[tuple[Path, bytes]],
    source: str,
    block_bytes: int,
) -> Iterator[ItemBlock]:
    """Items of `files` (path, SHA-256): blocks of only what was rejected, then one block with all items."""
    columns = [form.item_id, form.property, form.value, form.time]
    when = pl.col(form.time).cast(pl.Int64, strict=False)
    checks = [
        *rules.identifier(form.item_id, f"item_id ({form.item_id})"),
        Rule(pl.col(form.property).is_null(), f"property ({form.property}) is missing"),
        Rule(when.is_null(), f"time ({form.time}) is not a whole number"),
    ]
    parts: list[pl.DataFrame] = []
    for path, sha256 in files:
        table = read_table(
            path, columns, delimiter=spec.csv.delimiter, header=spec.items.header, block_bytes=block_bytes
        )
        for block in table:
            good, wrong = rules.apply(block.frame, checks)
            parts.append(block.frame.filter(good & block.frame[form.property].is_in(form.keep)).with_columns(when))
            if sum(part.height for part in parts) > _COMPACT_ROWS:
                parts = [_newest(parts, form)]
            rejected = rules.rejected(block, wrong, sha256, source, path.name)
            if rejected.height:
                yield ItemBlock(no_items(), rejected, block.first_row, rejected.height, block.records.bytes_read)
    if parts:
        wide = _wide(_newest(parts, form), form)
        items, wrong = reader.map(wide)
        path, sha256 = files[0]
        rejected = _rejected_items(wide, wrong, sha256, source, path.name)
        yield ItemBlock(items, rejected, 0, wide.height, 0)


def _newest(parts: Sequence[pl.DataFrame], form: PropertyFormat) -> pl.DataFrame:
    """The newest value of each property of each item; of equal times the later row."""
    ordered = pl.concat(parts).sort(form.time, maintain_order=True)
    return ordered.unique([form.item_id, form.property], keep="last", maintain_order=True)


def _wide(newest: pl.DataFrame, form: PropertyFormat) -> pl.DataFrame:
    """One row an item, one column a property, by item id."""
    wide = newest.select(form.item_id).unique().sort(form.item_id)
    for name in form.keep:
        values = newest.filter(pl.col(form.property) == name).select(form.item_id, pl.col(form.value).alias(name))
        wide = wide.join(values, on=form.item_id, how="left", maintain_order="left")
    return wide


def _rejected_items(wide: pl.DataFrame, wrong: dict[int, str], sha256: bytes, source: str, file: str) -> pl.DataFrame:
    """Items whose values are wrong. They are many rows of a file, so they have no row and no line of their own."""
    if not wrong:
        return rules.no_rejected()
    indices = np.array(list(wrong), dtype=np.int64)
    raw = wide[list(wrong)].select(pl.struct(pl.all()).struct.json_encode()).to_series()
    return pl.DataFrame(
        {
            "event_id": row_ids(sha256, -1 - indices),
            "source": [source] * len(wrong),
            "file": [file] * len(wrong),
            "row": [None] * len(wrong),
            "line": [None] * len(wrong),
            "reason": list(wrong.values()),
            "raw": raw,
        },
        schema=REJECTED_SCHEMA,
    )
