"""An EDA report of a data set's files or of silver's tables, and a sample of the files to develop with."""

from __future__ import annotations

import csv
import gzip
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from saran.core.errors import SaranError
from saran.core.names import Table
from saran.core.s3 import delta_options
from saran.core.settings import Settings
from saran.sql.profile import TableProfile, profile
from saran.sql.report import five_vs, html

SAMPLE_ROWS: Final = 100_000
_SEED: Final = 42
_EXPLORED: Final = (Table.SILVER_ITEMS, Table.SILVER_EVENTS)
_TYPES_FROM_ROWS: Final = 200_000


@dataclass(frozen=True)
class Report:
    """Where the page is, and what is in it."""

    file: Path
    tables: list[TableProfile]


def report_file(settings: Settings) -> Path:
    """Where the newest report is, if there is one."""
    return settings.home / "explore" / "report.html"


def explore_files(settings: Settings, title: str, files: Sequence[Path], delimiter: str = ",") -> Report:
    """Profile CSV files with a header line, plain or gzip. Raises SaranError when one cannot be read."""
    with _database(settings) as database:
        for file in files:
            try:
                database.execute(
                    f"CREATE TABLE {_table(file)} AS FROM read_csv($1, header = true, delim = $2, "
                    f"sample_size = {_TYPES_FROM_ROWS})",
                    [str(file), delimiter],
                )
            except duckdb.Error as error:
                raise SaranError(
                    f"{file} cannot be read: {error}", fix="is it a CSV file with a header line?"
                ) from error
        return _write(settings, title, database, {file.name: file.stat().st_size for file in files})


def explore_tables(settings: Settings, title: str) -> Report:
    """Profile silver.items and silver.events at their newest versions. Raises SaranError where neither is there."""
    sizes = {}
    with _database(settings) as database:
        for name in _EXPLORED:
            folder = settings.table_folder(name)
            try:
                found = DeltaTable(str(folder), storage_options=delta_options(folder))
            except TableNotFoundError:
                continue
            database.register("source", found.to_pyarrow_dataset())
            database.execute(f'CREATE TABLE "{name}" AS FROM source')
            database.unregister("source")
            sizes[name] = sum(found.get_add_actions(flatten=True).column("size_bytes").to_pylist())
        if not sizes:
            raise SaranError(
                "there is no table yet", fix="load a data set with `saran load`, or name files with --path"
            )
        return _write(settings, title, database, sizes)


def sample(files: Sequence[Path], out: Path, rows: int = SAMPLE_ROWS, delimiter: str = ",") -> dict[str, int]:
    """Write files of the same names and columns with up to `rows` of each one's lines, as they are; rows by name.

    The same lines each time: a reservoir by a fixed seed, read by one thread. All values stay the text that they were.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = {}
    with duckdb.connect(":memory:", config={"threads": "1"}) as database:
        for file in files:
            numbered = (
                'SELECT *, row_number() OVER () AS "saran row" '
                "FROM read_csv($1, header = true, delim = $2, all_varchar = true)"
            )
            asked = (
                'SELECT * EXCLUDE ("saran row") FROM '  # noqa: S608
                f"(SELECT * FROM ({numbered}) USING SAMPLE reservoir({rows} ROWS) REPEATABLE ({_SEED})) "
                'ORDER BY "saran row"'
            )
            try:
                result = database.execute(asked, [str(file), delimiter])
                names = [column[0] for column in result.description or []]
                target = out / file.name
                with (
                    gzip.open(target, "wt", newline="") if file.suffix == ".gz" else target.open("w", newline="") as to
                ):
                    writer = csv.writer(to, delimiter=delimiter, lineterminator="\n")
                    writer.writerow(names)
                    count = 0
                    while part := result.fetchmany(10_000):
                        writer.writerows(part)
                        count += len(part)
            except duckdb.Error as error:
                raise SaranError(
                    f"{file} cannot be read: {error}", fix="is it a CSV file with a header line?"
                ) from error
            written[file.name] = count
    return written


@contextmanager
def _database(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in a file that goes with it: tables may be larger than memory."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=settings.home, prefix="explore-") as folder,
        duckdb.connect(str(Path(folder) / "tables.duckdb"), config={"memory_limit": "2GiB"}) as database,
    ):
        database.execute("SET TimeZone = 'UTC'")
        yield database


def _write(settings: Settings, title: str, database: duckdb.DuckDBPyConnection, sizes: dict[str, int]) -> Report:
    tables = [profile(database, name) for name in sizes]
    file = report_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(html(title, five_vs(tables, sizes), tables, datetime.now(UTC)), encoding="utf-8")
    return Report(file, tables)


def _table(file: Path) -> str:
    return '"' + file.name.replace('"', '""') + '"'
