"""What the Spark driver and the other parts tell about themselves in PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from saran.api.online_reader import StoreAwayError
from saran.api.reading import reading
from saran.api.suggestions import suggested_users
from saran.core.system_shapes import Batch, Ingest, SuggestedUser, TableCount

_FRESH_SECONDS: Final = 1.0
_ALIVE: Final = timedelta(seconds=30)
_SPEED_BATCHES: Final = 10
_COUNTS: Final = (
    "SELECT table_name, rows, version, as_of, updated_at, rejected_rows, duplicate_rows FROM analytics.table_counts"
)
_LAST_BATCHES: Final = (
    "SELECT * FROM analytics.ingest_batches WHERE input_rows > 0 ORDER BY finished_at DESC, query, batch_id LIMIT %s"
)

SPARK: Final = "streams"


@dataclass(frozen=True)
class PlatformState:
    """What the tables of schema `analytics` hold."""

    up: bool
    warning: str | None = None
    tables: dict[str, TableCount] = field(default_factory=dict)
    ingest: Ingest = field(default_factory=Ingest)
    heartbeats: dict[str, datetime] = field(default_factory=dict)
    suggested_users: list[SuggestedUser] = field(default_factory=list)

    def alive(self, part: str) -> bool:
        """Whether a part was heard of in the last 30 seconds."""
        seen = self.heartbeats.get(part)
        return seen is not None and datetime.now(UTC) - seen < _ALIVE


class Analytics:
    """Reads in a thread, at most once a second. `url` is asked each time; `topic` is that of the events."""

    def __init__(self, url: Callable[[], str], topic: str) -> None:
        self._url = url
        self._topic = topic
        self._one = asyncio.Lock()
        self._read_at = -_FRESH_SECONDS
        self._state = PlatformState(up=False)

    async def state(self) -> PlatformState:
        """The state, at most a second old."""
        async with self._one:
            if time.monotonic() - self._read_at >= _FRESH_SECONDS:
                self._state = await asyncio.to_thread(self._read)
                self._read_at = time.monotonic()
            return self._state

    async def batches(self, limit: int) -> list[Batch]:
        """The last micro-batches of all topics that held records, the newest first. Raises StoreAwayError."""
        return await asyncio.to_thread(self._batches, limit)

    def _batches(self, limit: int) -> list[Batch]:
        try:
            with reading(self._url()) as connection:
                return [Batch(**row) for row in connection.execute(_LAST_BATCHES, (limit,)).fetchall()]
        except (psycopg.Error, OSError) as error:
            raise StoreAwayError(str(error).strip()) from error

    def _read(self) -> PlatformState:
        try:
            with reading(self._url()) as connection:
                return PlatformState(
                    up=True,
                    tables={row.pop("table_name"): TableCount(**row) for row in connection.execute(_COUNTS).fetchall()},
                    ingest=_ingest(connection, self._topic),
                    heartbeats={
                        row["part"]: row["seen_at"]
                        for row in connection.execute("SELECT part, seen_at FROM analytics.heartbeats").fetchall()
                    },
                    suggested_users=suggested_users(connection),
                )
        except (psycopg.Error, OSError) as error:
            return PlatformState(up=False, warning=f"PostgreSQL does not answer ({str(error).strip()})")


def _ingest(connection: psycopg.Connection[dict[str, Any]], topic: str) -> Ingest:
    """Of the stream of events alone: the catalogue's micro-batches are told in the same table."""
    mine = f"{topic}/"
    last = connection.execute(
        "SELECT * FROM analytics.ingest_batches WHERE starts_with(query, %s) AND input_rows > 0"
        " ORDER BY finished_at DESC LIMIT %s",
        (mine, _SPEED_BATCHES),
    ).fetchall()
    totals = connection.execute(
        """
        SELECT coalesce(sum(input_rows), 0)::bigint AS input_rows, coalesce(sum(new_rows), 0)::bigint AS new_rows,
               coalesce(sum(duplicate_rows), 0)::bigint AS duplicate_rows,
               coalesce(sum(rejected_rows), 0)::bigint AS rejected_rows
        FROM analytics.ingest_batches WHERE starts_with(query, %s)
        """,
        (mine,),
    ).fetchone()
    seconds = sum(row["seconds"] for row in last)
    return Ingest(
        last_batch=Batch(**last[0]) if last else None,
        events_per_second=sum(row["input_rows"] for row in last) / seconds if seconds else None,
        **(totals or {}),
    )
