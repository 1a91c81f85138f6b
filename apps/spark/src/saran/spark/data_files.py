"""Parquet files for Delta tables, written in columns, with the statistics that Delta keeps of a file."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from saran.core.entities import format_time
from saran.core.s3 import Location, open_input, open_output
from saran.spark.owned_table import DataFile

_COMPRESSION: Final = {"compression": "zstd", "compression_level": 1}


class FileWriter:
    """One Parquet file in `folder`, made with the first rows; row groups are the tables it is given.

    `dictionary` names the columns (Parquet's dotted paths) with few distinct values. `ranged` names those whose
    smallest and largest value become statistics: integers, or timestamps, without nulls.
    """

    def __init__(self, folder: Location, schema: pa.Schema, dictionary: list[str], ranged: tuple[str, ...]) -> None:
        self._path = folder / f"part-{uuid.uuid4()}.zstd.parquet"
        self._schema = schema
        self._dictionary = dictionary
        self._ranges: dict[str, tuple[Any, Any]] = {}
        self._ranged = ranged
        self._rows = 0
        self._file: pa.NativeFile | None = None
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.Table) -> None:
        """Add rows, cast to the file's schema."""
        if not rows.num_rows:
            return
        if self._writer is None:
            self._file = open_output(self._path)
            self._writer = pq.ParquetWriter(
                self._file,
                self._schema,
                use_dictionary=self._dictionary,
                # Delta has its own, and pages of random ids have ranges that tell nothing.
                write_statistics=False,
                **_COMPRESSION,
            )
        self._writer.write_table(rows.select(self._schema.names).cast(self._schema))
        self._rows += rows.num_rows
        for name in self._ranged:
            found = pc.min_max(rows.column(name)).as_py()
            low, high = self._ranges.get(name, (found["min"], found["max"]))
            self._ranges[name] = (min(low, found["min"]), max(high, found["max"]))

    def close(self) -> DataFile | None:
        """The finished file, or None when there was no row."""
        if self._writer is None or self._file is None:
            return None
        self._writer.close()
        size = self._file.tell()
        self._file.close()
        return DataFile(self._path, self._rows, size, _stats(self._rows, self._ranges))


def without(file: DataFile, keep: pa.Array, dictionary: list[str], ranged: tuple[str, ...]) -> DataFile | None:
    """A copy of `file` with the rows where `keep` is true, or None when that is none. `keep` has the file's length."""
    with open_input(file.path) as source:
        table = pq.read_table(source).filter(keep)
    writer = FileWriter(file.path.parent, table.schema, dictionary, ranged)
    writer.write(table)
    return writer.close()


def _stats(rows: int, ranges: Mapping[str, tuple[Any, Any]]) -> str:
    return json.dumps(
        {
            "numRecords": rows,
            "minValues": {name: _json(low) for name, (low, _) in ranges.items()},
            "maxValues": {name: _json(high) for name, (_, high) in ranges.items()},
        }
    )


def _json(value: Any) -> Any:
    return format_time(value.replace(tzinfo=UTC)) if isinstance(value, datetime) else value
