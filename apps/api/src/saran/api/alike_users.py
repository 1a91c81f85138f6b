"""Who has a taste like a user's: directions of many users in memory, and the histories of the nearest read anew.

A shop of up to `_AMONG` users is compared whole; of a larger one a sample is drawn, the same one until its rows move.
Directions are half a minute old at most, and only find candidates: what is told of a user comes from the history of the
moment, so who was forgotten is in no answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import tuple_row

from saran.api import pg_binary
from saran.api.history_reader import HISTORY_COLUMNS, HistoryAwayError, HistoryReader, StoredHistory, histories_of
from saran.api.reading import reading
from saran.core.recommender import History, Recommender
from saran.core.tastes import Near

_AMONG: Final = 10_000
"""Users that are compared: their directions take 2.5 MB with 64 factors, and about a second to find."""

_PIECE: Final = 1000
"""Users whose histories are in memory at once."""

_KEPT_SECONDS: Final = 30.0
_SPARE: Final = 20
"""Candidates beyond those wanted, for users who changed or went since their direction was found."""

# Pages drawn at random hold what users drawn at random do, and a draw need not read the others. A table that was never
# analysed has no count: it is small, or read from its beginning.
_DRAWN: Final = f"""
SELECT {HISTORY_COLUMNS} FROM online.user_history TABLESAMPLE SYSTEM ((
    SELECT least(100, 120.0 * %(among)s / greatest(reltuples, 1)) FROM pg_class
    WHERE oid = 'online.user_history'::regclass
)) REPEATABLE (1) LIMIT %(among)s
"""  # noqa: S608  the columns are a constant


class Alike(NamedTuple):
    """Users most like one, by id, and the newest event of the users that one was compared with."""

    found: list[tuple[str, Near]]
    compared: int
    as_of: datetime | None


@dataclass(frozen=True)
class _Compared:
    recommender: Recommender
    made: float
    users: NDArray[np.str_]
    directions: NDArray[np.float32]
    newest: NDArray[np.int64]
    """Time of each user's newest event, milliseconds since 1970."""


class AlikeUsers:
    """`url` is asked at each reading, as it may be known only later."""

    def __init__(self, url: Callable[[], str], histories: HistoryReader) -> None:
        self._url = url
        self._histories = histories
        self._compared: _Compared | None = None
        self._one = asyncio.Lock()

    async def most(
        self, recommender: Recommender, user_id: str, history: History, limit: int, owns: Callable[[str], bool] | None
    ) -> Alike:
        """The users most like one, the most alike first; only those that `owns` holds for, where it is given.

        Raises ModelError when the version has no factors, and HistoryAwayError when PostgreSQL is away.
        """
        (mine,) = recommender.tastes([history])
        async with self._one:
            compared = self._compared
            now = time.monotonic()
            if compared is None or compared.recommender is not recommender or now - compared.made > _KEPT_SECONDS:
                compared = self._compared = await asyncio.to_thread(self._read, recommender)
        others = compared.users != user_id
        if owns is not None:
            others &= np.fromiter(map(owns, compared.users.tolist()), dtype=np.bool_, count=len(others))
        rows = np.flatnonzero(others)
        cosines = compared.directions[rows] @ mine
        nearest = rows[np.argsort(-cosines, kind="stable")[: limit + _SPARE]]
        stored = await self._histories.read(compared.users[nearest].tolist())
        near = await asyncio.to_thread(recommender.alike, history, [one.events for one in stored.values()])
        alike = [(user, one) for user, one in zip(stored, near, strict=True) if one.cosine > 0]
        alike.sort(key=lambda one: (-one[1].cosine, one[0]))
        newest = compared.newest[rows]
        as_of = datetime.fromtimestamp(int(newest.max()) / 1000, UTC) if len(newest) else None
        return Alike(alike[:limit], len(rows), as_of)

    def _read(self, recommender: Recommender) -> _Compared:
        users: list[str] = []
        newest: list[int] = []
        directions = [recommender.tastes([])]
        try:
            for stored in self._drawn():
                users += stored
                newest += [int(one.times[-1]) for one in stored.values()]
                directions.append(recommender.tastes([one.events for one in stored.values()]))
        except (psycopg.Error, OSError) as error:
            raise HistoryAwayError from error
        return _Compared(
            recommender,
            time.monotonic(),
            np.array(users, dtype=np.str_),
            np.concatenate(directions),
            np.array(newest, dtype=np.int64),
        )

    def _drawn(self) -> Iterator[dict[str, StoredHistory]]:
        """Histories of the users to compare, some at a time."""
        with reading(self._url()) as connection:
            pg_binary.register_raw_arrays(connection)
            with connection.cursor("drawn", row_factory=tuple_row) as cursor:
                cursor.itersize = _PIECE
                cursor.execute(_DRAWN, {"among": _AMONG}, binary=True)
                while rows := cursor.fetchmany(_PIECE):
                    yield histories_of(rows)
