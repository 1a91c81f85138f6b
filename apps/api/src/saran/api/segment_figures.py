"""How large the segments of users are, and what their users do: of gold.user_segments, beside the version before."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from saran.api.lake_rows import RowsAwayError
from saran.core.names import Model, Table
from saran.core.s3 import delta_options
from saran.core.settings import Settings
from saran.core.versions import ModelError, read_manifest, version_folder
from saran.core.visitor_models import SEGMENT_INPUTS, SegmentManifest
from saran.core.visitor_shapes import SegmentFigures, SegmentsTold

_FRESH_SECONDS: Final = 10.0
_ROWS: Final = 65_536
"""Users whose rows are in memory at once."""

_KEYS: Final = ("cluster_id", "segment", "model_version", "as_of")


class SegmentReader:
    """Looks for a new version of the table at most every ten seconds, in a thread; one that is known is not read again.

    `read` gives None before the first segmentation, and raises RowsAwayError.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._one = asyncio.Lock()
        self._looked_at = -_FRESH_SECONDS
        self._version = -1
        self._told: SegmentsTold | None = None

    async def read(self) -> SegmentsTold | None:
        """The segments, the largest first."""
        async with self._one:
            if time.monotonic() - self._looked_at >= _FRESH_SECONDS:
                await asyncio.to_thread(self._refresh)
                self._looked_at = time.monotonic()
            return self._told

    def _refresh(self) -> None:
        folder = self._settings.table_folder(Table.GOLD_USER_SEGMENTS)
        try:
            table = DeltaTable(str(folder), storage_options=delta_options(folder))
            if table.version() != self._version:
                rows = _sums(table)
                self._told = self._figures(rows) if rows else None
                self._version = table.version()
        except TableNotFoundError:
            self._version, self._told = -1, None
        except (DeltaError, OSError) as error:
            raise RowsAwayError(str(error)) from error

    def _figures(self, rows: list[dict[str, Any]]) -> SegmentsTold:
        version = rows[0]["model_version"]
        before = self._before(version)
        whole = sum(row["users"] for row in rows)
        shares = {row["cluster_id"]: row["users"] / whole for row in rows}
        old = {} if before is None else _shares(before)
        moved = sum(abs(shares.get(one, 0.0) - old.get(one, 0.0)) for one in shares | old) / 2
        return SegmentsTold(
            as_of=rows[0]["as_of"],
            model_version=version,
            users=whole,
            before=None if before is None else before.version,
            drift=None if before is None else moved,
            segments=[
                SegmentFigures(
                    cluster_id=row["cluster_id"],
                    segment=row["segment"],
                    users=row["users"],
                    share=shares[row["cluster_id"]],
                    share_before=None if before is None else old.get(row["cluster_id"], 0.0),
                    profile={name: row[name] / row["users"] for name in SEGMENT_INPUTS},
                )
                for row in sorted(rows, key=lambda row: (-row["users"], row["cluster_id"]))
            ],
        )

    def _before(self, version: str) -> SegmentManifest | None:
        """The version whose ids went on in `version`; None for the first, or where it can no longer be read."""
        models = self._settings.models_path
        try:
            after = read_manifest(version_folder(models, Model.USER_SEGMENTATION, version), SegmentManifest)
            if after.matched_with is None:
                return None
            return read_manifest(version_folder(models, Model.USER_SEGMENTATION, after.matched_with), SegmentManifest)
        except ModelError:
            return None


def _sums(table: DeltaTable) -> list[dict[str, Any]]:
    """A row a segment: `_KEYS`, the number of `users`, and the sum of each input over them."""
    dataset = table.to_pyarrow_dataset()
    scanner = dataset.scanner(columns=[*_KEYS, *SEGMENT_INPUTS], batch_size=_ROWS, batch_readahead=1)
    parts = [
        _grouped(pa.table(batch).append_column("users", pa.repeat(1, batch.num_rows))) for batch in scanner.to_batches()
    ]
    return _grouped(pa.concat_tables(parts)).to_pylist() if parts else []


def _grouped(rows: pa.Table) -> pa.Table:
    added = rows.group_by(list(_KEYS)).aggregate([(name, "sum") for name in ("users", *SEGMENT_INPUTS)])
    return added.rename_columns([name.removesuffix("_sum") for name in added.column_names])


def _shares(manifest: SegmentManifest) -> dict[int, float]:
    whole = sum(segment.visitors for segment in manifest.segments)
    return {segment.cluster_id: segment.visitors / whole if whole else 0.0 for segment in manifest.segments}
