"""The Delta tables of the lakehouse, by their logs: no row is read."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from saran.api.lake_rows import RowsAwayError
from saran.core.names import Table
from saran.core.pipeline_shapes import TableFacts
from saran.core.s3 import delta_options
from saran.core.settings import Settings

TABLES: Final = sorted(value for name, value in vars(Table).items() if name.isupper())
_FRESH_SECONDS: Final = 10.0


class LakeTables:
    """Reads in a thread, at most every ten seconds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._one = asyncio.Lock()
        self._read_at = -_FRESH_SECONDS
        self._read: list[TableFacts] = []

    async def read(self) -> list[TableFacts]:
        """The tables that there are, by name. Raises RowsAwayError."""
        async with self._one:
            if time.monotonic() - self._read_at >= _FRESH_SECONDS:
                self._read = await asyncio.to_thread(self._all)
                self._read_at = time.monotonic()
            return self._read

    def _all(self) -> list[TableFacts]:
        return [found for name in TABLES if (found := self._facts(name)) is not None]

    def _facts(self, name: str) -> TableFacts | None:
        folder = self._settings.table_folder(name)
        try:
            table = DeltaTable(str(folder), storage_options=delta_options(folder))
            files = pa.table(table.get_add_actions(flatten=True))
            (commit,) = table.history(1)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise RowsAwayError(f"{name}: {error}") from error
        return TableFacts(
            name=name,
            version=table.version(),
            rows=pc.sum(files.column("num_records")).as_py() or 0,
            files=files.num_rows,
            bytes=pc.sum(files.column("size_bytes")).as_py() or 0,
            columns=[field.name for field in table.schema().fields],
            written_at=datetime.fromtimestamp(commit["timestamp"] / 1000, UTC),
        )
