"""All gold tables of some days from silver: the one function that the stream and the job share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa

from saran.core.names import Table
from saran.core.trends.counts import item_trends
from saran.core.trends.events import DAY, Events
from saran.core.trends.facts import Longs
from saran.core.trends.funnel import funnel_hourly
from saran.spark.trends.schemas import KEYS, SCHEMAS
from saran.spark.trends.sessions import activity, with_sessions
from saran.spark.trends.silver import ALL_DAYS, Days, Silver

_CHUNK_ROWS: Final = 200_000
"""Events made into gold at once, unless one day has more."""

Gold = Mapping[str, pa.Table]
"""Name of a table → its rows of some days."""


@dataclass(frozen=True)
class Chunk:
    """Some days, and the rows of a table that are to be replaced by theirs, as a condition in SQL."""

    days: tuple[date, ...]
    condition: str


def gold(events: Events, days: Longs) -> Gold:
    """Rows of each table for `days`. `events` must hold the days, and the day after each too."""
    sessions = with_sessions(events)
    within = sessions.on(days)
    made = {
        Table.GOLD_ITEM_TRENDS: item_trends(within),
        Table.GOLD_FUNNEL_HOURLY: funnel_hourly(sessions, days),
        Table.GOLD_ACTIVITY_HEATMAP: activity(within),
    }
    return {name: _in_form(name, rows) for name, rows in made.items()}


def gold_of(silver: Silver, chunk: Chunk) -> Gold:
    """`gold` of a chunk, read from silver."""
    days = np.array([day.toordinal() for day in chunk.days], dtype=np.int64) - date(1970, 1, 1).toordinal()
    wanted = {date.fromordinal(day.toordinal() + more) for day in chunk.days for more in (0, 1)}
    return gold(silver.read(wanted), days)


def chunks(silver: Silver, days: Days) -> Iterator[Chunk]:
    """The days in parts of about `_CHUNK_ROWS` events. All days replace whatever a table has, in ranges."""
    rows = silver.rows_by_day(days)
    wanted = sorted(rows if days is ALL_DAYS else days)
    parts: list[list[date]] = [[]]
    held = 0
    for day in wanted:
        if parts[-1] and held + rows.get(day, 0) > _CHUNK_ROWS:
            parts.append([])
            held = 0
        parts[-1].append(day)
        held += rows.get(day, 0)
    for place, part in enumerate(parts):
        if days is ALL_DAYS:
            bounds = [f"day >= '{part[0]}'"] if place else []
            bounds += [f"day < '{parts[place + 1][0]}'"] if place + 1 < len(parts) else []
            yield Chunk(tuple(part), " AND ".join(bounds) or "day IS NOT NULL")
        elif part:
            yield Chunk(tuple(part), f"day IN ({', '.join(repr(str(day)) for day in part)})")


def _in_form(name: str, rows: pa.Table) -> pa.Table:
    starts = rows.column("window_start")
    made = rows.append_column("day", pa.array(starts.to_numpy() // DAY).cast(pa.int32()).cast(pa.date32()))
    at = made.column_names.index("window_start")
    made = made.set_column(at, "window_start", starts.cast(pa.timestamp("ms", "UTC")))
    schema = SCHEMAS[name]
    return made.select(schema.names).cast(schema).sort_by([(key, "ascending") for key in KEYS[name]])
