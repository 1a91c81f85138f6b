"""Sessions: those that events name, and those that pauses make."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from saran.core.trends.events import DAY, HOUR, Events, added, first_of_runs

PAUSE: Final = HOUR // 2
"""Ends the session of a user whose events name none."""


def with_sessions(events: Events) -> Events:
    """Events by user, day, session and time, whose `sessions` number the sessions.

    A session is of one user and one UTC day: what goes on at midnight is a new one, so a day's sessions come from its
    events alone. It is named by session_id; where events have none, a pause of half an hour begins the next.
    """
    days = events.times // DAY
    order = np.lexsort((events.times, events.sessions, days, events.users))
    ordered = events.only(order)
    paused = (ordered.sessions == -1) & (np.diff(ordered.times, prepend=0) > PAUSE)
    first = first_of_runs(ordered.users, days[order], ordered.sessions) | paused
    return replace(ordered, sessions=np.cumsum(first))


def activity(events: Events) -> pa.Table:
    """Columns of ACTIVITY_HEATMAP, of events `with_sessions`."""
    hours = events.times // HOUR * HOUR
    counts = {"events": np.ones(len(events), dtype=np.int64)} | events.counts()
    totals = added(pa.table({"window_start": hours} | counts), ["window_start"])
    who = pa.table({"window_start": hours, "users": events.users, "sessions": events.sessions})
    different = who.group_by("window_start").aggregate([("users", "count_distinct"), ("sessions", "count_distinct")])
    made = totals.join(different.rename_columns(["window_start", "users", "sessions"]), "window_start")
    starts = made.column("window_start").to_numpy()
    # 1970 began on a Thursday.
    weekdays = (starts // DAY + 3) % 7 + 1
    return made.append_column("weekday", pa.array(weekdays)).append_column("hour", pa.array(starts // HOUR % 24))
