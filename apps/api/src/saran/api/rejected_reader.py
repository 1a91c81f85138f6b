"""What silver.rejected holds: reasons with their counts, and the newest records."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from saran.api.lake_rows import RowsAwayError
from saran.core.names import Table
from saran.core.pipeline_shapes import RejectedReason, RejectedRecord, RejectedRecords
from saran.core.s3 import delta_options
from saran.core.settings import Settings

MOST_REASONS: Final = 50
MOST_CHARACTERS: Final = 500
_MOST_RECORDS: Final = 100
_GROUPED: Final = ["topic", "reason", "timestamp"]
_PLACE: Final = ["timestamp", "topic", "partition", "offset"]
_SHOWN: Final = [*_PLACE, "reason", "event_id", "raw", "content_id"]
_ORDER: Final = [
    ("timestamp", "descending"),
    ("topic", "ascending"),
    ("partition", "ascending"),
    ("offset", "descending"),
]


class RejectedReader:
    """Reads in a thread, and a version of the table once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._one = asyncio.Lock()
        self._read_of: tuple[str, int] | None = None
        self._read = RejectedRecords(rows=0, version=None, reasons=[], more_reasons=0, sample=[])

    async def read(self, sample: int) -> RejectedRecords:
        """Counts and the `sample` newest records. Raises RowsAwayError."""
        async with self._one:
            found = await asyncio.to_thread(self._newest)
        return found.model_copy(update={"sample": found.sample[:sample]})

    def _newest(self) -> RejectedRecords:
        folder = self._settings.table_folder(Table.SILVER_REJECTED)
        try:
            table = DeltaTable(str(folder), storage_options=delta_options(folder))
            now = (str(table.metadata().id), int(table.version()))
            if now != self._read_of:
                self._read, self._read_of = _told(table), now
            return self._read
        except TableNotFoundError:
            return RejectedRecords(rows=0, version=None, reasons=[], more_reasons=0, sample=[])
        except (DeltaError, OSError) as error:
            raise RowsAwayError(str(error)) from error


def _told(table: DeltaTable) -> RejectedRecords:
    dataset = table.to_pyarrow_dataset()
    # Of each part only its counts stay in memory, however many records were refused.
    counted = [_counts(part) for part in _parts(dataset, _GROUPED)]
    if not counted:
        return RejectedRecords(rows=0, version=table.version(), reasons=[], more_reasons=0, sample=[])
    grouped = pa.concat_tables(counted).group_by(["topic", "reason"])
    counts = grouped.aggregate([("rows", "sum"), ("newest", "max")])
    counts = counts.rename_columns(["topic", "reason", "rows", "newest"]).sort_by(
        [("rows", "descending"), ("topic", "ascending"), ("reason", "ascending")]
    )
    return RejectedRecords(
        rows=sum(counts.column("rows").to_pylist()),
        version=table.version(),
        reasons=[RejectedReason(**row) for row in counts.slice(0, MOST_REASONS).to_pylist()],
        more_reasons=max(0, counts.num_rows - MOST_REASONS),
        sample=_sample(dataset),
    )


def _parts(dataset: Any, columns: list[str], where: Any = None) -> Iterator[pa.Table]:
    for part in dataset.to_batches(columns=columns, filter=where, batch_readahead=1):
        if part.num_rows:
            yield pa.Table.from_batches([part])


def _counts(part: pa.Table) -> pa.Table:
    part = part.set_column(1, "reason", part.column("reason").cast(pa.string()))
    part = part.set_column(0, "topic", part.column("topic").cast(pa.string()))
    counted = part.group_by(["topic", "reason"]).aggregate([("timestamp", "count"), ("timestamp", "max")])
    return counted.rename_columns(["topic", "reason", "rows", "newest"])


def _sample(dataset: Any) -> list[RejectedRecord]:
    """Two readings: of the times alone, then of the records from the last of the wanted times on."""
    newest: pa.Table | None = None
    for more in _parts(dataset, ["timestamp"]):
        newest = more if newest is None else pa.concat_tables([newest, more])
        newest = newest.sort_by([("timestamp", "descending")]).slice(0, _MOST_RECORDS)
    if newest is None:
        return []
    since = newest.column("timestamp")[-1]
    kept: pa.Table | None = None
    for more in _parts(dataset, _SHOWN, where=ds.field("timestamp") >= since):
        kept = more if kept is None else pa.concat_tables([kept, more], promote_options="permissive")
        kept = kept.sort_by(_ORDER).slice(0, _MOST_RECORDS)
    rows = [] if kept is None else kept.to_pylist()
    return [RejectedRecord(**{**row, "raw": _cut(row["raw"])}) for row in rows]


def _cut(raw: str | None) -> str | None:
    return raw if raw is None or len(raw) <= MOST_CHARACTERS else f"{raw[: MOST_CHARACTERS - 1]}…"
