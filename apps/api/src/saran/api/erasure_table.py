"""`online.erasures`, and what an erasure does to the online store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np

from saran.api import exposure_table, history_changes, history_table
from saran.core.erasures import FOREVER, Erasure, Tombstones, milliseconds

_LOCK: Final = 0x5A12A5
"""Advisory lock key. Who stores events shares it, who erases has it alone: so nobody stores what was just erased."""

_CHUNK: Final = 10_000


@dataclass(frozen=True)
class Known:
    """Tombstones as they were read; `state` changes with the table."""

    state: tuple[int, datetime | None] = (0, None)
    tombstones: Tombstones = field(default_factory=Tombstones)


def hold(connection: history_table.Connection, *, exclusive: bool) -> None:
    """Keep erasures and the storing of events apart until the transaction ends."""
    function = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    connection.execute(f"SELECT {function}(%s)", (_LOCK,))


def refresh(connection: history_table.Connection, known: Known, key: Callable[[], bytes]) -> Known:
    """The tombstones as they are now. `key` is asked for only when there are any."""
    row = connection.execute("SELECT count(*), max(done_at) FROM online.erasures").fetchone()
    state = (0, None) if row is None else (int(row[0]), row[1])
    if state == known.state:
        return known
    rows = connection.execute("SELECT subject, until FROM online.erasures").fetchall()
    subjects = {subject: milliseconds(until) for subject, until in rows}
    return Known(state, Tombstones(subjects, key() if subjects else b""))


def erase(connection: history_table.Connection, erasures: Sequence[Erasure], key: bytes) -> None:
    """Remember the erasures, and remove what the store has of their users."""
    for one in erasures:
        # Of two requests the one that reaches further counts: null, which is for ever, before any time.
        connection.execute(
            """
            INSERT INTO online.erasures AS e (subject, request_id, requested_at, until, done_at)
            VALUES (%s, %s, %s, %s, clock_timestamp())
            ON CONFLICT (subject) DO UPDATE SET request_id = excluded.request_id, done_at = excluded.done_at,
                requested_at = excluded.requested_at, until = excluded.until
            WHERE e.until IS NOT NULL AND (excluded.until IS NULL OR excluded.until > e.until)
            """,
            (one.subject, one.request_id, one.requested_at, one.until),
        )
    wanted = Tombstones({}, key).with_more({one.subject: one.until_ms for one in erasures}, key)
    _forget_histories(connection, _find(connection, "online.user_history", wanted))
    exposure_table.forget(connection, _find(connection, "online.exposures", wanted))
    forgotten = [user for user, until in _find(connection, "online.users", wanted).items() if until == FOREVER]
    connection.execute("DELETE FROM online.users WHERE user_id = ANY(%s)", (forgotten,))


def _find(connection: history_table.Connection, table: str, wanted: Tombstones) -> dict[str, int]:
    """Users of a table who are wanted. Ids cannot be had from pseudonyms, so all are looked at: about 1 s a million."""
    found: dict[str, int] = {}
    with connection.cursor(name="users") as cursor:
        cursor.itersize = _CHUNK
        cursor.execute(f"SELECT user_id FROM {table}")  # noqa: S608  one of the names above
        while rows := cursor.fetchmany(_CHUNK):
            found.update(wanted.among([row[0] for row in rows]))
    return found


def _forget_histories(connection: history_table.Connection, users: Mapping[str, int]) -> None:
    user_ids = list(users)
    stored = history_table.read_histories(connection, user_ids)
    connection.execute("DELETE FROM online.user_history WHERE user_id = ANY(%s)", (user_ids,))
    history_changes.tell(connection, dict.fromkeys(user_ids, time.time_ns() // 1_000_000))
    until = np.array([users[user] for user in user_ids], dtype=np.int64)
    later = stored.take(np.flatnonzero(stored.times > until[stored.users])) if user_ids else stored
    if len(later.items):
        history_table.write_histories(connection, user_ids, later, known=np.zeros(len(user_ids), dtype=np.bool_))
