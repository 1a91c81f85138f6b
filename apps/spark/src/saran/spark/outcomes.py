"""What one micro-batch did, for whoever reports it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class TableCount:
    """Rows of a table at a version, and its newest event time where it has one."""

    table: str
    rows: int
    version: int
    as_of: datetime | None = None
    rejected_rows: int | None = None
    """Of a silver table: rows of silver.rejected that came from its topic."""
    duplicate_rows: int | None = None
    """Of silver.events: bronze's rows that are neither in it nor rejected; None while bronze is ahead of it."""
    read_offsets: int | None = None
    """Of a bronze table: the next offsets of its topic's partitions, as Kafka has the topic now, added up."""


@dataclass(frozen=True)
class BatchOutcome:
    """Counts of a micro-batch: input = new + duplicate + rejected."""

    query: str
    batch_id: int
    topic: str
    seconds: float
    input_rows: int
    new_rows: int
    duplicate_rows: int
    rejected_rows: int
    next_offsets: Mapping[int, int]
    tables: tuple[TableCount, ...]


@dataclass(frozen=True)
class Erased:
    """An erasure that the tables have behind them."""

    subject: str
    request_id: str
    done_at: datetime


Listener = Callable[[BatchOutcome], None]
