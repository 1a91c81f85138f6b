"""A connection of PostgreSQL for one short question, which waits for nothing longer than two seconds."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg.rows import DictRow, dict_row

_TIMEOUT_SECONDS: Final = 2


def reading(url: str) -> psycopg.Connection[DictRow]:
    """Rows are dictionaries. Raises psycopg.Error, OSError."""
    return psycopg.connect(
        url,
        connect_timeout=_TIMEOUT_SECONDS,
        options=f"-c statement_timeout={_TIMEOUT_SECONDS * 1000}",
        row_factory=dict_row,
    )
