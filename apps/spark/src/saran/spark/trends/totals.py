"""Figures that do not add up over windows: users, and what goes on at the newest event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from saran.core.trends.events import DAY
from saran.spark.trends.sessions import PAUSE, with_sessions
from saran.spark.trends.silver import ALL_DAYS, Silver

RECENT: Final = 300_000
"""Milliseconds before the newest event whose events are counted as recent."""


@dataclass(frozen=True)
class Totals:
    """As of the newest event. Days are of UTC, the newest event's among them."""

    as_of: datetime
    users: int
    users_day: int
    users_week: int
    users_month: int
    """Users with an event on the newest day, the last 7 and the last 30 days."""
    active_sessions: int
    """Sessions with an event in the half hour up to the newest; a session is of one day."""
    recent_events: int
    """In the five minutes up to the newest event."""


def totals(silver: Silver) -> Totals | None:
    """Of all of silver; None where it is empty. Holds the ids of users in memory, and two days of events."""
    as_of = silver.newest()
    if as_of is None:
        return None
    today = as_of.date()

    def users(days: int) -> int:
        return silver.count_users([today - timedelta(days=back) for back in range(days)])

    last = silver.read([today, today - timedelta(days=1)])
    newest = int(last.times.max())
    sessions = with_sessions(last.only(last.times // DAY == newest // DAY))
    return Totals(
        as_of,
        users=silver.count_users(ALL_DAYS),
        users_day=users(1),
        users_week=users(7),
        users_month=users(30),
        active_sessions=len(np.unique(sessions.sessions[sessions.times >= newest - PAUSE])),
        recent_events=int((last.times > newest - RECENT).sum()),
    )
