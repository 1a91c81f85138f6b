"""Events of a short time as silver has them now: what figures by the hour do not tell.

One question at a time is read, of at most MOST_EVENTS, so that it does not take the memory that lists are made in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from saran.api.lake_rows import RowsAwayError
from saran.api.trends_reader import Row, Span
from saran.core.analytics_shapes import FUNNEL_STEPS, FunnelStep, FunnelUser
from saran.core.entities import ACTION_CODES
from saran.core.names import Table
from saran.core.s3 import delta_options
from saran.core.settings import Settings
from saran.core.trends.counts import counts_by
from saran.core.trends.events import COLUMNS, DAY, Events, events_of
from saran.core.trends.facts import COLUMNS as FACT_COLUMNS
from saran.core.trends.facts import NO_FACTS, Facts, facts
from saran.core.trends.funnel import furthest_steps

MOST_EVENTS: Final = 1_000_000
MINUTE: Final = 60_000
"""Milliseconds."""

AFTER: Final = timedelta(milliseconds=DAY)
"""What follows a view counts for so long."""

T = TypeVar("T")


class SilverEvents:
    """Reads in threads. `ask` raises RowsAwayError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._one = asyncio.Lock()

    async def minutes(self, span: Span, category: str | None) -> dict[datetime, Row]:
        """Counts of each minute of `span` that has an event."""
        return await self._ask(span.begin, span.end, lambda events: _minutes(_of(events, category)))

    async def stopped(
        self, span: Span, category: str | None, step: FunnelStep, *, offset: int, limit: int
    ) -> tuple[int, int, list[FunnelUser]]:
        """Users whose views of items in `span` came as far as `step`, and those entries; and the users of a page."""
        begin, end = _ms(span.begin), _ms(span.end)
        return await self._ask(
            span.begin,
            span.end + AFTER,
            lambda events: _stopped(_of(events, category), begin, end, step, slice(offset, offset + limit)),
        )

    async def _ask(self, begin: datetime, end: datetime, question: Callable[[Events], T]) -> T:
        async with self._one:
            return await asyncio.to_thread(lambda: question(_read(self._settings, begin, end)))


def _read(settings: Settings, begin: datetime, end: datetime) -> Events:
    time = ds.field("event_time")
    rows = _rows(settings, Table.SILVER_EVENTS, COLUMNS, (time >= _scalar(begin)) & (time < _scalar(end)))
    if rows is None:
        raise RowsAwayError("there is no silver.events")
    return events_of(rows, _facts(settings, pc.unique(rows.column("item_id"))))


def _facts(settings: Settings, item_ids: pa.Array) -> Facts:
    rows = _rows(settings, Table.SILVER_ITEMS, FACT_COLUMNS, ds.field("item_id").isin(item_ids))
    return NO_FACTS if rows is None else facts(rows)


def _rows(settings: Settings, name: str, columns: list[str], where: ds.Expression) -> pa.Table | None:
    folder = settings.table_folder(name)
    try:
        dataset = DeltaTable(str(folder), storage_options=delta_options(folder)).to_pyarrow_dataset()
        return dataset.to_table(columns=columns, filter=where)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise RowsAwayError(str(error)) from error


def _of(events: Events, category: str | None) -> Events:
    return events if category is None else events.in_category(category)


def _minutes(events: Events) -> dict[datetime, Row]:
    rows: list[dict[str, Any]] = counts_by(MINUTE, events).to_pylist()
    return {_moment(row["window_start"]): row for row in rows}


def _stopped(events: Events, begin: int, end: int, step: FunnelStep, page: slice) -> tuple[int, int, list[FunnelUser]]:
    entries = furthest_steps(events, begin, end)
    entries = entries.filter(pc.equal(entries.column("step"), ACTION_CODES[FUNNEL_STEPS[step]]))
    # The newest entry of each user is the last row of a run.
    users, items, at = (entries.column(name).to_numpy() for name in ("user", "item", "viewed_at"))
    order = np.lexsort((items, at, users))
    ends = np.flatnonzero(np.diff(users[order], append=-1))
    counts = np.diff(ends, prepend=-1)
    newest = order[ends]
    names = events.user_ids.take(pa.array(users[newest]))
    ranks = pc.sort_indices(
        pa.table({"entries": counts, "at": at[newest], "name": names}),
        [("entries", "descending"), ("at", "descending"), ("name", "ascending")],
    ).to_numpy()[page]
    told = [
        FunnelUser(
            user_id=names[rank].as_py(),
            entries=int(counts[rank]),
            last_view=_moment(int(at[newest[rank]])),
            last_item=events.facts.item_ids[int(items[newest[rank]])].as_py(),
        )
        for rank in ranks
    ]
    return len(newest), entries.num_rows, told


def _ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _moment(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def _scalar(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment, pa.timestamp("us", "UTC"))
