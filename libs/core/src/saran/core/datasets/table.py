"""Records parsed into columns of strings, with the rows that have the wrong number of columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from saran.core.datasets.errors import SpecError
from saran.core.datasets.records import Records, read_records
from saran.core.limits import MAX_RAW_LENGTH


@dataclass(frozen=True)
class TableBlock:
    """Consecutive data rows of a file."""

    frame: pl.DataFrame
    """The wanted columns as strings, empty values as null; only rows that could be parsed."""
    rows: NDArray[np.int64]
    """0-based data row of each row of `frame`."""
    bad: dict[int, str]
    """Data rows that could not be parsed: the reason."""
    first_row: int
    count: int
    """Data rows: len(rows) + len(bad)."""
    records: Records
    skipped: int
    """Records of `records` before `first_row`."""

    def raw(self, row: int) -> str:
        """Text of a data row, shortened to MAX_RAW_LENGTH characters."""
        return self.records.text(row - self.first_row + self.skipped)[:MAX_RAW_LENGTH]

    def line(self, row: int) -> int:
        """Line of the file that a data row begins on."""
        return int(self.records.lines[row - self.first_row + self.skipped])


def read_table(
    path: Path,
    columns: Sequence[str],
    *,
    delimiter: str = ",",
    header: Sequence[str] | None = None,
    start_row: int = 0,
    block_bytes: int = 16 << 20,
) -> Iterator[TableBlock]:
    """Blocks of the wanted `columns` from data row `start_row` on; blocks before it are counted, not parsed.

    `header` names the columns of a file that has no header line. SpecError where a column is missing.
    """
    names, first = (list(header), 0) if header is not None else (None, -1)
    for records in read_records(path, delimiter=delimiter, block_bytes=block_bytes):
        begin, count = 0, len(records.starts)
        if names is None:
            if not count:
                continue
            names, begin, first = _header(path, records, delimiter), 1, 0
        if first == 0:
            _need(path, columns, names)
        rows = count - begin
        skip = min(max(start_row - first, 0), rows)
        if rows > skip:
            yield _parse(records, begin + skip, first + skip, names, columns, delimiter)
        first += rows
    if names is None:
        raise SpecError(f"{path} is empty", fix=f"it should begin with a line naming {', '.join(columns)}")
    _need(path, columns, names)


def _header(path: Path, records: Records, delimiter: str) -> list[str]:
    if 0 in records.bad:
        raise SpecError(f"{path}, line {records.lines[0]}: the header {records.bad[0]}", fix="is it a CSV file?")
    line = pa.BufferReader(records.text(0).encode() + b"\n")
    options = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    table = csv.read_csv(line, csv.ReadOptions(autogenerate_column_names=True), options, _strings([], ()))
    return [str(column[0].as_py() or "").strip() for column in table.columns]


def _need(path: Path, columns: Sequence[str], names: Sequence[str]) -> None:
    if missing := [column for column in columns if column not in names]:
        raise SpecError(
            f"{path} has no column {', '.join(missing)} (it has {', '.join(names)})",
            fix="give the original file, or change the spec's columns",
        )
    if twice := sorted({column for column in columns if names.count(column) > 1}):
        raise SpecError(f"{path} has the column {', '.join(twice)} more than once", fix="rename one in the file")


def _strings(names: Sequence[str], columns: Sequence[str]) -> csv.ConvertOptions:
    return csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        include_columns=list(columns),
        strings_can_be_null=True,
        null_values=[""],
    )


def _parse(
    records: Records, begin: int, first_row: int, names: list[str], columns: Sequence[str], delimiter: str
) -> TableBlock:
    """Parse the records from index `begin` on, which is data row `first_row`."""
    count = len(records.starts) - begin
    rows = np.arange(first_row, first_row + count, dtype=np.int64)
    bad = {index - begin + first_row: reason for index, reason in sorted(records.bad.items()) if index >= begin}
    good = np.ones(count, dtype=np.bool_)
    good[np.fromiter(bad, dtype=np.int64, count=len(bad)) - first_row] = False
    parsed = rows[good]

    ragged: list[tuple[int, int, int]] = []

    def keep(row: csv.InvalidRow) -> str:
        ragged.append((row.number - 1, row.expected_columns, row.actual_columns))
        return "skip"

    text = _without(records, begin, sorted(records.bad))
    unique = [name if name in columns else f"\0{position}" for position, name in enumerate(names)]
    if not len(parsed):
        return TableBlock(_empty(columns), parsed, bad, first_row, count, records, begin)
    table = csv.read_csv(
        pa.BufferReader(text),
        csv.ReadOptions(column_names=unique, use_threads=False, block_size=len(text) + 1),
        csv.ParseOptions(delimiter=delimiter, newlines_in_values=records.quoted, invalid_row_handler=keep),
        _strings(columns, columns),
    )
    if table.num_rows + len(ragged) != len(parsed):
        raise AssertionError(f"{len(parsed)} records were parsed as {table.num_rows} + {len(ragged)} rows")
    if ragged:
        for index, expected, actual in ragged:
            bad[int(parsed[index])] = f"has {actual} columns instead of {expected}"
        parsed = np.delete(parsed, [index for index, _, _ in ragged])
    frame = pl.DataFrame(pl.from_arrow(table)) if table.num_rows else _empty(columns)
    return TableBlock(frame, parsed, dict(sorted(bad.items())), first_row, count, records, begin)


def _empty(columns: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


def _without(records: Records, begin: int, bad: Sequence[int]) -> bytes | memoryview:
    """Bytes of the records from `begin` on, without the bad ones."""
    view = memoryview(records.data)
    start = int(records.starts[begin])
    pieces: list[memoryview] = []
    for index in bad:
        if index >= begin:
            pieces.append(view[start : int(records.starts[index])])
            start = int(records.starts[index + 1]) if index + 1 < len(records.starts) else _end(records)
    pieces.append(view[start : _end(records)])
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _end(records: Records) -> int:
    """Offset behind the last record's line end."""
    return records.data.index(b"\n", int(records.ends[-1])) + 1
