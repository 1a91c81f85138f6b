"""Rows of the lakehouse and of the online store, in parts of bounded size: what an export is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import psycopg
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from psycopg.rows import dict_row

from saran.core.s3 import delta_options
from saran.core.settings import Settings

ROWS: Final = 1000
"""Of a part."""

_USERS: Final = "SELECT user_id, birth_year, attributes FROM online.users ORDER BY user_id"
_CONNECT_SECONDS: Final = 2
_STATEMENT: Final = "-c statement_timeout=60000"
"""Milliseconds for one part of the users."""

Part = list[dict[str, Any]]


class RowsAwayError(Exception):
    """Where the rows are does not answer."""


def table_rows(settings: Settings, table: str, columns: list[str], where: Any = None) -> Iterator[Part]:
    """Rows of a Delta table at its newest version; none where there is no such table. Raises RowsAwayError.

    `where` is an expression of pyarrow.dataset that they meet, None for all.
    """
    folder = settings.table_folder(table)
    try:
        dataset = DeltaTable(str(folder), storage_options=delta_options(folder)).to_pyarrow_dataset()
        # Nothing is read ahead: an export may be slow, and must not hold more than a group of rows.
        scanner = dataset.scanner(
            columns=columns, filter=where, batch_size=ROWS, batch_readahead=0, fragment_readahead=0
        )
        for batch in scanner.to_batches():
            if batch.num_rows:
                yield batch.to_pylist(maps_as_pydicts="lossy")
    except TableNotFoundError:
        return
    except (DeltaError, OSError) as error:
        raise RowsAwayError(str(error)) from error


def user_rows(settings: Settings) -> Iterator[Part]:
    """Users as the online store has them, in one snapshot. Raises RowsAwayError."""
    try:
        url = settings.postgres_url
        with (
            psycopg.connect(
                url, connect_timeout=_CONNECT_SECONDS, options=_STATEMENT, row_factory=dict_row
            ) as connected,
            connected.cursor(name="export") as cursor,
        ):
            cursor.execute(_USERS)
            while part := cursor.fetchmany(ROWS):
                yield part
    except (psycopg.Error, OSError) as error:
        raise RowsAwayError(str(error).strip()) from error


def given(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without what it does not say."""
    return {name: value for name, value in row.items() if value is not None}
