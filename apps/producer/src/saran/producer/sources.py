"""Where a load's events come from: the rows of a file, or the simulator."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Protocol

import polars as pl

from saran.core.datasets import Dataset, EventBlock, Origin
from saran.producer.pool import make_pool
from saran.producer.simulated import DEFAULT_EVENTS, SimulatedEvents

BLOCK_BYTES: Final = 4 << 20
"""Smaller than the readers' own: the first records leave sooner, and two threads share the work evenly."""


class EventSource(Protocol):
    """Events in blocks, with an identity that a resume compares."""

    @property
    def sha256(self) -> str:
        """Hex; equal only for equal events."""

    @property
    def size(self) -> int:
        """What `bytes_read` of the last block will be."""

    def blocks(self, start_row: int) -> Iterator[EventBlock]:
        """Events from data row `start_row` on."""


class FileSource:
    """The events file of a data set."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    @property
    def sha256(self) -> str:
        """Of the decompressed file."""
        return self._dataset.events_sha256

    @property
    def size(self) -> int:
        """Decompressed bytes of the file."""
        return self._dataset.events_bytes

    def blocks(self, start_row: int) -> Iterator[EventBlock]:
        """The file's rows."""
        return self._dataset.read_events(start_row=start_row, block_bytes=BLOCK_BYTES)


def event_source(dataset: Dataset, limit: int | None) -> EventSource:
    """The data set's own events; where it has none, `limit` (or DEFAULT_EVENTS) simulated ones over its catalogue."""
    if dataset.interactions is not Origin.SIMULATED:
        return FileSource(dataset)
    pool = make_pool(block.items for block in dataset.read_items())
    return SimulatedEvents(pool, dataset.source, DEFAULT_EVENTS if limit is None else limit)


def until(blocks: Iterator[EventBlock], end: int | None) -> Iterator[EventBlock]:
    """The blocks before data row `end`; the one that holds it is cut."""
    if end is None:
        return blocks
    return (_cut(block, end) for block in itertools.takewhile(lambda block: block.first_row < end, blocks))


def _cut(block: EventBlock, end: int) -> EventBlock:
    if block.first_row + block.rows <= end:
        return block
    kept = block.event_rows < end
    events, rejected = block.events.filter(kept), block.rejected.filter(pl.col("row") < end)
    rows = end - block.first_row
    return replace(
        block,
        events=events,
        event_rows=block.event_rows.filter(kept),
        rejected=rejected,
        rows=rows,
        left_out=rows - events.height - rejected.height,
    )
