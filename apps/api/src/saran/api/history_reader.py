"""Users' histories from PostgreSQL, many in one query, without ever making a request wait long.

While PostgreSQL is away nobody waits for it: one background task tries to connect, and reads fail at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from saran.api import pg_binary
from saran.core.database import migrate
from saran.core.recommender import History

_log = logging.getLogger("saran.api.history")

_CONNECT_SECONDS: Final = 5
_LONGEST_PAUSE_SECONDS: Final = 2.0
HISTORY_COLUMNS: Final = "user_id, item_ids, actions, event_values, event_times"
_READ: Final = f"SELECT {HISTORY_COLUMNS} FROM online.user_history WHERE user_id = ANY(%b)"  # noqa: S608  the columns are a constant

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class HistoryAwayError(Exception):
    """Histories cannot be read now."""


@dataclass(frozen=True)
class StoredHistory:
    """A user's history, oldest first; `times` are milliseconds since 1970."""

    events: History
    times: NDArray[np.int64]


class HistoryReader:
    """One connection, kept by `run`. `url` is asked at each attempt, as it may be known only later."""

    def __init__(self, url: Callable[[], str], *, timeout_ms: int) -> None:
        self._url = url
        self._timeout = timeout_ms / 1000
        self._connection: Connection | None = None
        self._lost = asyncio.Event()
        self._one = asyncio.Lock()
        self._discarding: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    async def run(self) -> None:
        """Keep a connection for ever."""
        pause = 0.05
        while True:
            try:
                await self.connect()
            except (psycopg.Error, OSError) as error:
                _log.warning("PostgreSQL is away: %s", str(error).strip())
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                pause = 0.05
                await self._lost.wait()

    async def connect(self) -> None:
        """Connect unless connected. Raises psycopg.Error or OSError."""
        if self._connection is not None:
            return
        url = self._url()
        await asyncio.to_thread(migrate, url, timeout_seconds=_CONNECT_SECONDS)
        connection = await psycopg.AsyncConnection.connect(
            url,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            prepare_threshold=0,
            options=f"-c statement_timeout={int(self._timeout * 1000)}",
        )
        pg_binary.register_raw_arrays(connection)
        self._lost.clear()
        self._connection = connection

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def read(self, user_ids: Sequence[str]) -> dict[str, StoredHistory]:
        """Histories of those of the users who have one. Raises HistoryAwayError, within the time-out."""
        async with self._one:
            if self._connection is None:
                raise HistoryAwayError
            connection = self._connection
            task = asyncio.ensure_future(self._fetch(connection, user_ids))
            await asyncio.wait((task,), timeout=self._timeout)
            if not task.done():
                self._lose(connection, "no answer in time", unfinished=task)
                raise HistoryAwayError
            try:
                return histories_of(task.result())
            except psycopg.Error as error:
                self._lose(connection, str(error).strip())
                raise HistoryAwayError from error

    async def _fetch(self, connection: Connection, user_ids: Sequence[str]) -> list[tuple[Any, ...]]:
        async with connection.cursor(binary=True) as cursor:
            await cursor.execute(_READ, (list(user_ids),))
            return await cursor.fetchall()

    def _lose(self, connection: Connection, reason: str, *, unfinished: asyncio.Task[Any] | None = None) -> None:
        _log.warning("PostgreSQL is away: %s", reason)
        self._connection = None
        self._lost.set()
        self._discarding = asyncio.create_task(_discard(connection, unfinished))


async def _discard(connection: Connection, unfinished: asyncio.Task[Any] | None) -> None:
    """Close a connection that may be stuck; a query is cancelled first, which may need the server and so time."""
    if unfinished is not None:
        for _ in range(2):
            unfinished.cancel()
            await asyncio.wait((unfinished,), timeout=_CONNECT_SECONDS)
    await connection.close()


def histories_of(rows: Sequence[tuple[Any, ...]]) -> dict[str, StoredHistory]:
    """By user, of rows with `HISTORY_COLUMNS` whose arrays of numbers are raw (`pg_binary`)."""
    actions = pg_binary.decode_arrays((row[2] for row in rows), "int16").astype(np.int64)
    values = pg_binary.decode_arrays((row[3] for row in rows), "float32").astype(np.float64)
    times = pg_binary.decode_arrays((row[4] for row in rows), "int64")
    histories: dict[str, StoredHistory] = {}
    start = 0
    for row in rows:
        stop = start + len(row[1])
        events = History(row[1], actions[start:stop], values[start:stop])
        histories[row[0]] = StoredHistory(events, times[start:stop])
        start = stop
    return histories
