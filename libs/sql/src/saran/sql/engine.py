"""Questions in SQL to the lakehouse, answered by DuckDB in this process.

deltalake reads the tables' logs and files; DuckDB is given them as Arrow data sets and may reach nothing else: no file,
no network, no extension, no object of Python, and no setting can be changed. So it needs no extension for Delta either.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from saran.core.errors import SaranError
from saran.core.names import Table
from saran.core.s3 import delta_options
from saran.core.settings import Settings
from saran.sql.answer import MOST_CHARACTERS, Answer, Limits, too_slow

TABLES: Final = sorted(value for name, value in vars(Table).items() if name.isupper())

_LOCKED: Final = {
    "python_enable_replacements": "false",  # else a table's name could mean a variable of Python
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",
}
_LOCK: Final = "SET TimeZone = 'UTC'; SET enable_external_access = false; SET lock_configuration = true"


class Engine:
    """Asks the tables of one installation. Threads can share it; each question has a database of its own."""

    def __init__(self, settings: Settings, limits: Limits | None = None) -> None:
        self._settings = settings
        self._limits = limits or Limits()

    def ask(self, statement: str) -> Answer:
        """The answer to one SELECT (or DESCRIBE, SHOW, SUMMARIZE, VALUES), of the newest version of each table.

        A table is `layer.name`, such as silver.events; times are UTC. Raises SaranError when it is another kind of
        statement, is wrong, takes too long or too much memory, or a table cannot be read.
        """
        begin = monotonic()
        with self._database() as (database, versions):
            wanted = _select(database, statement)
            limit = self._limits.rows
            with self._in_time(database):
                try:
                    # The line feed ends a comment that the statement may end with.
                    asked = f"SELECT * FROM (\n{wanted}\n) LIMIT {limit + 1}"  # noqa: S608 - SQL is what is asked
                    table = database.sql(asked).to_arrow_table()
                except duckdb.InterruptException as error:
                    raise too_slow(self._limits) from error
                except duckdb.OutOfMemoryException as error:
                    raise SaranError(
                        f"it takes more than {self._limits.memory_mb} MiB of memory",
                        fix="ask for fewer rows or columns, or allow more memory",
                    ) from error
                except (duckdb.Error, pa.ArrowException, OSError) as error:
                    raise _wrong(error) from error
        return Answer(table.slice(0, limit), table.num_rows > limit, monotonic() - begin, versions)

    @contextmanager
    def _database(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[str, int]]]:
        database = duckdb.connect(
            ":memory:",
            config={
                **_LOCKED,
                "memory_limit": f"{self._limits.memory_mb}MiB",
                "threads": str(self._limits.threads),
            },
        )
        try:
            versions = {}
            for name in TABLES:
                if (version := self._add(database, name)) is not None:
                    versions[name] = version
            database.execute(_LOCK)
            yield database, versions
        finally:
            database.close()

    def _add(self, database: duckdb.DuckDBPyConnection, name: str) -> int | None:
        """Make a table known; its version, None where there is none."""
        folder = self._settings.table_folder(name)
        try:
            table = DeltaTable(str(folder), storage_options=delta_options(folder))
            database.register(f"{name} files", table.to_pyarrow_dataset())
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise SaranError(f"{name} cannot be read: {error}", fix="see `saran check`") from error
        layer, own = name.split(".")
        database.execute(f'CREATE SCHEMA IF NOT EXISTS {layer}; CREATE VIEW {layer}.{own} AS FROM "{name} files"')
        return int(table.version())

    @contextmanager
    def _in_time(self, database: duckdb.DuckDBPyConnection) -> Iterator[None]:
        timer = threading.Timer(self._limits.seconds, database.interrupt)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _select(database: duckdb.DuckDBPyConnection, statement: str) -> str:
    """The one statement there is, which must read and do nothing else."""
    if len(statement) > MOST_CHARACTERS:
        raise SaranError(f"it has more than {MOST_CHARACTERS:,} characters", fix="ask a shorter question")
    try:
        found = database.extract_statements(statement)
    except duckdb.Error as error:
        raise _wrong(error) from error
    if len(found) != 1 or found[0].type != duckdb.StatementType.SELECT:
        raise SaranError(
            "it is no single SELECT", fix="ask one question: SELECT, WITH … SELECT, DESCRIBE, SUMMARIZE or SHOW TABLES"
        )
    return re.sub(r"[\s;]+$", "", found[0].query)


def _wrong(error: Exception) -> SaranError:
    text = str(error).strip()
    return SaranError(text, fix="`SHOW ALL TABLES` lists the tables and their columns, `DESCRIBE silver.events` one's")
