"""Whose history has changed: the worker tells it in the transaction that stores it, the API listens.

PostgreSQL's NOTIFY carries it: one connection a process of the API, whatever the number of its clients.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from saran.core.names import Channel

_log = logging.getLogger("saran.api.changes")

_MOST_TOLD: Final = 2000
"""Users named by one transaction; of more, as of a replay, it is told that there were many."""

_PAYLOAD_BYTES: Final = 7900
"""PostgreSQL takes less than 8000."""

_PROBE_SECONDS: Final = 5.0
_CONNECT_SECONDS: Final = 5
_LONGEST_PAUSE_SECONDS: Final = 2.0

_MANY: Final = "{}"


def tell(connection: psycopg.Connection[Any], changed: Mapping[str, int]) -> None:
    """Tell, when the transaction commits, whose histories it changed.

    `changed` holds for each user when the newest of the events was taken, in milliseconds since 1970.
    """
    if changed:
        connection.execute(
            "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) payload", (Channel.HISTORY, _told(changed))
        )


def _told(changed: Mapping[str, int]) -> list[str]:
    """JSON objects of users, each short enough for one notification."""
    if len(changed) > _MOST_TOLD:
        return [_MANY]
    payloads, members, size = [], list[str](), 0
    for user, taken_at in changed.items():
        member = f"{json.dumps(user, ensure_ascii=False)}:{taken_at}"
        if size + len(member.encode()) > _PAYLOAD_BYTES:
            payloads.append(f"{{{','.join(members)}}}")
            members, size = [], 0
        members.append(member)
        size += len(member.encode()) + 1
    return [*payloads, f"{{{','.join(members)}}}"]


class Follower:
    """Waits for changes of one user's history."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._taken_at: float | None = None

    def wake(self, taken_at: float | None = None) -> None:
        """The history may have changed, by an event of that time (seconds since 1970) where it is known."""
        if self._taken_at is None:
            self._taken_at = taken_at
        self._changed.set()

    async def wait(self, seconds: float) -> bool:
        """Whether it was woken, after `seconds` at most."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def seen(self) -> float | None:
        """Take note that the history is about to be read; gives the time of the first event that was not seen."""
        taken_at, self._taken_at = self._taken_at, None
        self._changed.clear()
        return taken_at


class HistoryChanges:
    """Followers by user. `url` is asked at each attempt to connect, as it may be known only later."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._followers: dict[str, set[Follower]] = {}

    @contextmanager
    def following(self, user_id: str) -> Iterator[Follower]:
        """A follower of a user while the context lasts."""
        follower = Follower()
        same = self._followers.setdefault(user_id, set())
        same.add(follower)
        try:
            yield follower
        finally:
            same.discard(follower)
            if not same and self._followers.get(user_id) is same:
                del self._followers[user_id]

    def wake_all(self) -> None:
        """Any history may have changed."""
        for same in self._followers.values():
            for follower in same:
                follower.wake()

    async def run(self) -> None:
        """Listen for ever; while PostgreSQL is away, try again."""
        pause = 0.05
        while True:
            try:
                async with await self._connect() as connection:
                    pause = 0.05
                    await self._listen(connection)
            except (psycopg.Error, OSError) as error:
                _log.warning("changes of histories are not heard: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(self._url(), autocommit=True, connect_timeout=_CONNECT_SECONDS)

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(f"LISTEN {Channel.HISTORY}")
        # What was told while nobody listened is lost.
        self.wake_all()
        while True:
            async for told in connection.notifies(timeout=_PROBE_SECONDS):
                self._hear(told.payload)
            # A server that is gone without a word tells nothing either.
            await asyncio.wait_for(connection.execute("SELECT 1"), _PROBE_SECONDS)

    def _hear(self, payload: str) -> None:
        if payload == _MANY:
            self.wake_all()
            return
        for user_id, taken_at in json.loads(payload).items():
            for follower in self._followers.get(user_id, ()):
                follower.wake(taken_at / 1000)
