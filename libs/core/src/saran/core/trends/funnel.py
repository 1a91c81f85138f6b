"""What follows a view: each step counts for the last view before it."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from saran.core.entities import ACTION_CODES, Action
from saran.core.trends.events import DAY, HOUR, Events, added, first_of_runs
from saran.core.trends.facts import Longs

WITHIN: Final = DAY
"""A step later than this is not put down to the view before it."""

_STEPS: Final = {"clicked": Action.CLICK, "carted": Action.ADD_TO_CART, "purchased": Action.PURCHASE}
_TIMES: Final = {"cart_ms": Action.ADD_TO_CART, "purchase_ms": Action.PURCHASE}
_NEVER: Final = np.iinfo(np.int64).max


def funnel_hourly(events: Events, days: Longs) -> pa.Table:
    """Columns of FUNNEL_HOURLY, of events `with_sessions` that hold the day after each of `days` too.

    Scope `item`: pairs of a user and an item, by the hour of the view; a step counts for the pair's last view before
    it, up to a day. Scope `session`: sessions with a view, by the hour of the first; a step of the session counts when
    it follows that. cart_ms and purchase_ms are the milliseconds to the first such step, added up over those that have
    it.
    """
    pairs, items = _by_item(events, days)
    rows, categories = events.facts.in_categories(items)
    sessions = _by_session(events.on(days))
    parts = (
        ("item", pairs, pa.repeat("", pairs.num_rows)),
        ("item", pairs.take(pa.array(rows)), categories),
        ("session", sessions, pa.repeat("", sessions.num_rows)),
    )
    tables = []
    for scope, entries, category in parts:
        hours = added(entries.append_column("category", category), ["window_start", "category"])
        tables.append(hours.append_column("scope", pa.repeat(scope, hours.num_rows)))
    return pa.concat_tables(tables)


def furthest_steps(events: Events, begin: int, end: int) -> pa.Table:
    """Entries of scope `item` whose view is in [begin, end), milliseconds, as far as each came.

    `events` must hold the day after `end` too. Columns `user` and `item` (numbers of `events`), `step` (the code of the
    furthest of view, click, cart and purchase) and `viewed_at`, the last view.
    """
    steps, viewed_at = _after_views(events)
    within = (viewed_at >= begin) & (viewed_at < end)
    steps, viewed_at = steps.only(within), viewed_at[within]
    starts = np.flatnonzero(first_of_runs(steps.users, steps.items, viewed_at // HOUR))
    return pa.table(
        {
            "user": steps.users[starts],
            "item": steps.items[starts],
            "step": _most(steps.actions, starts),
            "viewed_at": _most(viewed_at, starts),
        }
    )


def _by_item(events: Events, days: Longs) -> tuple[pa.Table, Longs]:
    """Entries, each a user's views of an item in one hour and what follows them, and their items."""
    steps, viewed_at = _after_views(events)
    on = np.isin(viewed_at // DAY, days)
    steps, viewed_at = steps.only(on), viewed_at[on]
    hours = viewed_at // HOUR
    starts = np.flatnonzero(first_of_runs(steps.users, steps.items, hours))
    return _entries(steps.actions, steps.times - viewed_at, starts, hours * HOUR), steps.items[starts]


def _after_views(events: Events) -> tuple[Events, Longs]:
    """Views and the steps that count for one, by user, item and time, and when that view was."""
    steps = events.only(events.actions <= ACTION_CODES[Action.PURCHASE])
    # Of events of one millisecond the view comes first: the codes of actions are in the funnel's order.
    steps = steps.only(np.lexsort((steps.actions, steps.times, steps.items, steps.users)))
    place = np.arange(len(steps))
    begins = np.maximum.accumulate(np.where(first_of_runs(steps.users, steps.items), place, 0))
    view = np.maximum.accumulate(np.where(steps.actions == ACTION_CODES[Action.VIEW], place, -1))
    viewed_at = steps.times[view]
    keep = (view >= begins) & (steps.times - viewed_at <= WITHIN)
    return steps.only(keep), viewed_at[keep]


def _by_session(events: Events) -> pa.Table:
    starts = np.flatnonzero(first_of_runs(events.sessions))
    views = np.where(events.actions == ACTION_CODES[Action.VIEW], events.times, _NEVER)
    viewed_at = np.repeat(_least(views, starts), np.diff(starts, append=len(events)))
    keep = events.times >= viewed_at
    steps, viewed_at = events.only(keep), viewed_at[keep]
    starts = np.flatnonzero(first_of_runs(steps.sessions))
    return _entries(steps.actions, steps.times - viewed_at, starts, viewed_at // HOUR * HOUR)


def _entries(actions: Longs, after: Longs, starts: Longs, windows: Longs) -> pa.Table:
    """One row a run of rows that begins at `starts`: 0 or 1 a step, and the time to the first of a kind."""
    first = {
        action: _least(np.where(actions == ACTION_CODES[action], after, _NEVER), starts) for action in _STEPS.values()
    }
    return pa.table(
        {
            "window_start": windows[starts],
            "viewed": np.ones(len(starts), dtype=np.int64),
            **{name: (first[action] < _NEVER).astype(np.int64) for name, action in _STEPS.items()},
            **{name: np.where(first[action] < _NEVER, first[action], 0) for name, action in _TIMES.items()},
        }
    )


def _most(values: Longs, starts: Longs) -> Longs:
    """Of each run."""
    return np.maximum.reduceat(values, starts) if len(starts) else values[:0]


def _least(values: Longs, starts: Longs) -> Longs:
    """Of each run."""
    return np.minimum.reduceat(values, starts) if len(starts) else values[:0]
