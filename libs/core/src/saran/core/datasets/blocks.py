"""What readers yield: a part of a file as events or items, with the rows that were wrong beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from saran.core.entities import EVENT_ARROW, ITEM_ARROW

EVENT_COLUMNS: Final = tuple(EVENT_ARROW.names)
ITEM_COLUMNS: Final = tuple(ITEM_ARROW.names)

REJECTED_SCHEMA: Final[dict[str, type[pl.DataType]]] = {
    "event_id": pl.String,
    "source": pl.String,
    "file": pl.String,
    "row": pl.Int64,
    "line": pl.Int64,
    "reason": pl.String,
    "raw": pl.String,
}
"""Columns of a wrong row: the id that its row number gives, its 0-based data row, its 1-based line in the file,
why it is wrong, and its text (shortened to limits.MAX_RAW_LENGTH characters, bad bytes as \\xNN)."""

SYNTHETIC_MARKER: Final = "SYNTHETIC.md"
"""A file of this name in a folder says that its data is a synthetic stand-in; events then carry `<name>-synthetic`."""


@dataclass(frozen=True)
class EventBlock:
    """Events of consecutive rows of a file; `rows == events.height + rejected.height + left_out`."""

    events: pl.DataFrame
    """Columns EVENT_COLUMNS. event_time: Datetime("ms", "UTC"); context: Struct of strings, one field a key, null
    where a row does not have it, or a Null column where no row has any."""
    event_rows: pl.Series
    """Int64, the 0-based data row of each event."""
    rejected: pl.DataFrame
    """REJECTED_SCHEMA."""
    first_row: int
    """Data row that the block begins with."""
    rows: int
    """Data rows in the block; the next block begins at first_row + rows."""
    left_out: int
    """Good rows that a join has no item for."""
    bytes_read: int
    """Decompressed bytes of the file up to the block's end (Dataset.events_bytes is the whole)."""


@dataclass(frozen=True)
class ItemBlock:
    """Items of consecutive rows of a file; `rows == items.height + rejected.height`."""

    items: pl.DataFrame
    """Columns ITEM_COLUMNS; attributes: Struct of strings, null where an item does not have one."""
    rejected: pl.DataFrame
    """REJECTED_SCHEMA; its event_id is the id of the catalogue row."""
    first_row: int
    rows: int
    bytes_read: int
