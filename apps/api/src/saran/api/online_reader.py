"""What the online store and `ingest` say of one user, for the pages of that user: a connection a question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import psycopg

from saran.api.reading import reading

_USER: Final = "SELECT birth_year, attributes FROM online.users WHERE user_id = %s"
_ERASURE: Final = """
SELECT e.request_id, e.requested_at, e.until, e.done_at AS online_done_at, t.done_at AS tables_done_at
FROM online.erasures e LEFT JOIN analytics.erasures t ON t.subject = e.subject AND t.request_id = e.request_id
WHERE e.subject = %s
"""

Row = dict[str, Any]


class StoreAwayError(Exception):
    """PostgreSQL does not answer."""


class OnlineReader:
    """Reads in threads. `url` is asked each time, as it may be known only later."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url

    async def user(self, user_id: str) -> Row | None:
        """Row of `online.users`. Raises StoreAwayError."""
        return await asyncio.to_thread(self._one, _USER, user_id)

    async def erasure(self, subject: str) -> Row | None:
        """How far the erasure of a subject is, None where there is none. Raises StoreAwayError."""
        return await asyncio.to_thread(self._one, _ERASURE, subject)

    def _one(self, query: str, parameter: str) -> Row | None:
        try:
            with reading(self._url()) as connection:
                return connection.execute(query, (parameter,)).fetchone()
        except (psycopg.Error, OSError) as error:
            raise StoreAwayError(str(error).strip()) from error
