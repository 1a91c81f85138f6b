"""Blocks of a data set as Kafka records: which key, which bytes, which partition, in the order of the file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from saran.core.codec import encode_events, encode_items, encode_rejected
from saran.core.datasets import EventBlock, ItemBlock
from saran.core.names import CONTEXT_BATCH
from saran.producer.partitions import Partitions, partitions_of
from saran.producer.sender import Slice

BATCH_ROWS: Final = 10_000
"""Data rows of a micro-batch; batch 1 holds rows 0 to 9,999 of the file."""


def batch_of(row: int) -> int:
    """Number of the micro-batch (from 1) that a 0-based data row belongs to."""
    return row // BATCH_ROWS + 1


@dataclass(frozen=True)
class Records:
    """Encoded records of a block, in file order; `rows` (Int64) is ascending and as long as the other three."""

    rows: NDArray[np.int64]
    keys: pl.Series
    values: pl.Series
    partitions: Partitions
    first_row: int
    next_row: int
    """Data row that the next block begins with."""
    rejected: int
    left_out: int
    bytes_read: int

    def slices(self, most: int | None = None) -> Iterator[tuple[Slice, int]]:
        """Slices that end where micro-batches end, of at most `most` records, each with the row that follows it."""
        edges = set(np.flatnonzero(np.diff(self.rows // BATCH_ROWS)) + 1)
        step = most or BATCH_ROWS
        cuts = sorted({0, *edges, *range(0, len(self.rows), step), len(self.rows)})
        for first, end in itertools.pairwise(cuts):
            follows = self.next_row if end == len(self.rows) else int(self.rows[end])
            yield Slice(self.keys[first:end], self.values[first:end], self.partitions[first:end]), follows


def event_records(block: EventBlock, partitions: int) -> Records:
    """Events keyed by user, wrong rows keyed by their event_id, merged in file order."""
    batch = (block.event_rows // BATCH_ROWS + 1).cast(pl.String)
    numbered = block.events.with_columns(_context(block.events.schema["context"], batch))
    good = (block.event_rows, block.events["user_id"], encode_events(numbered))
    return _merge(good, block, block.left_out, partitions)


def item_records(block: ItemBlock, partitions: int) -> Records:
    """Items keyed by item_id, then the block's wrong rows keyed by their id."""
    rows = pl.Series(np.full(block.items.height, block.first_row, dtype=np.int64))
    good = (rows, block.items["item_id"], encode_items(block.items))
    return _merge(good, block, 0, partitions)


def _context(dtype: pl.DataType | type[pl.DataType], batch: pl.Series) -> pl.Expr:
    fields = [field.name for field in dtype.fields] if isinstance(dtype, pl.Struct) else []
    kept = [pl.col("context").struct.field(name) for name in fields if name != CONTEXT_BATCH]
    return pl.struct(*kept, batch.alias(CONTEXT_BATCH)).alias("context")


def _merge(
    good: tuple[pl.Series, pl.Series, pl.Series],
    block: EventBlock | ItemBlock,
    left_out: int,
    partitions: int,
) -> Records:
    names = ("row", "key", "value")
    types = {"row": pl.Int64, "key": pl.String, "value": pl.String}
    table = pl.DataFrame(dict(zip(names, good, strict=True)), schema=types)
    rejected = block.rejected
    if rejected.height:
        wrong = (rejected["row"], rejected["event_id"], encode_rejected(rejected))
        table = pl.concat([table, pl.DataFrame(dict(zip(names, wrong, strict=True)), schema=types)]).sort(
            "row", maintain_order=True
        )
    return Records(
        rows=table["row"].to_numpy(),
        keys=table["key"].cast(pl.Binary),
        values=table["value"].cast(pl.Binary),
        partitions=partitions_of(table["key"], partitions),
        first_row=block.first_row,
        next_row=block.first_row + block.rows,
        rejected=rejected.height,
        left_out=left_out,
        bytes_read=block.bytes_read,
    )
