"""What `saran load` is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from saran.core.errors import SaranError
from saran.producer.records import BATCH_ROWS


@dataclass(frozen=True)
class LoadOptions:
    """What to load and how. Batches count from 1 and hold 10,000 data rows each."""

    data: Path | None = None
    rate: float | None = None
    """Records a second at most."""
    limit: int | None = None
    """Data rows at most; the number of events to make where interactions are simulated."""
    from_batch: int = 1
    to_batch: int | None = None
    resume: bool = False
    metrics_port: int | None = None
    patience: float = 60.0
    """Seconds to wait for Kafka before giving up."""

    def __post_init__(self) -> None:
        if self.to_batch is not None and self.to_batch < self.from_batch:
            raise SaranError(
                f"batches {self.from_batch} to {self.to_batch} are none", fix="let --to-batch be the larger"
            )

    @property
    def rows(self) -> tuple[int, int | None]:
        """First data row and the row after the last, None where the file's end decides."""
        first = (self.from_batch - 1) * BATCH_ROWS
        ends = [self.to_batch * BATCH_ROWS] if self.to_batch is not None else []
        if self.limit is not None:
            ends.append(first + self.limit)
        return first, min(ends, default=None)


@dataclass
class LoadSummary:
    """What a load did. Rows are data rows of the events file, header not counted."""

    dataset: str
    source: str
    synthetic: bool
    simulated: bool
    first_row: int = 0
    resumed_at: int | None = None
    rows: int = 0
    """Rows gone through by this run."""
    events: int = 0
    wrong_rows: int = 0
    left_out: int = 0
    """Good rows that the catalogue has no item for, where events are joined from another data set."""
    items: int = 0
    wrong_items: int = 0
    sent: int = 0
    acknowledged: int = 0
    bytes: int = 0
    catalogue_seconds: float = 0.0
    seconds: float = 0.0
    """For the events alone."""
    rows_per_second: float = 0.0


Progress = Callable[[str, int, int | None, int], None]
"""Told as a load goes on: the stage (catalogue, events), how much of how much (None: not known) of it was sent, and how
many records in all."""
