"""silver.events and silver.items at pinned versions, as the gold tables are made from them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable

from saran.core.errors import SaranError
from saran.core.names import Table
from saran.core.s3 import Location, open_input
from saran.core.settings import Settings
from saran.core.trends.events import COLUMNS, Events, events_of
from saran.core.trends.facts import COLUMNS as FACT_COLUMNS
from saran.core.trends.facts import NO_FACTS, Facts, Longs, facts
from saran.spark.delta_log import VersionsGoneError, changes
from saran.spark.tables import open_table

_DAY: Final = timedelta(days=1)
_TIME: Final = "event_time"

Days = Collection[date] | None
"""UTC days whose rows of gold are to be made anew."""

ALL_DAYS: Final = None


@dataclass(frozen=True)
class Position:
    """Up to which versions of silver something was made. `items` is -1, of table ``, while there is no catalogue."""

    events_table: str
    events: int
    items_table: str = ""
    items: int = -1


class Silver:
    """Both tables as they are at one moment. `position` names their versions.

    Raises SaranError when a version that is asked for is gone.
    """

    def __init__(self, settings: Settings, events: DeltaTable, items: DeltaTable | None) -> None:
        self._settings = settings
        self._folder = settings.table_folder(Table.SILVER_EVENTS)
        self._dataset: ds.Dataset = events.to_pyarrow_dataset()
        self._items = items
        self._facts: Facts | None = None
        self.position = Position(str(events.metadata().id), int(events.version()))
        if items is not None:
            self.position = Position(
                self.position.events_table, self.position.events, str(items.metadata().id), int(items.version())
            )

    def facts(self) -> Facts:
        """Of the catalogue."""
        if self._facts is None:
            self._facts = _facts(self._items)
        return self._facts

    def rows_by_day(self, days: Days = ALL_DAYS) -> dict[date, int]:
        """Events of each of the days that have any, by day."""
        rows: dict[date, int] = {}
        for batch in self._dataset.to_batches(columns=[_TIME], filter=_within(days)):
            for day, count in _days(batch.column(0)).items():
                if days is ALL_DAYS or day in days:
                    rows[day] = rows.get(day, 0) + count
        return dict(sorted(rows.items()))

    def newest(self) -> datetime | None:
        """Time of the newest event, None when there are none."""
        newest = [pc.max(batch.column(0)).as_py() for batch in self._dataset.to_batches(columns=[_TIME])]
        return max((time for time in newest if time is not None), default=None)

    def count_users(self, days: Days) -> int:
        """Users with an event on neighbouring days."""
        users = pa.array([], pa.string())
        for batch in self._dataset.to_batches(columns=["user_id"], filter=_within(days)):
            users = pc.unique(pa.concat_arrays([users, pc.unique(batch.column(0)).cast(pa.string())]))
        return len(users)

    def days_of_users(self) -> tuple[Longs, Longs]:
        """Each user's days with an event, in parallel: users as numbers of this answer alone, days since 1970."""
        found = pa.table({"user": pa.array([], pa.string()), "day": pa.array([], pa.int32())})
        for batch in self._dataset.to_batches(columns=["user_id", _TIME]):
            days = pc.floor_temporal(batch.column(1), unit="day").cast(pa.date32()).cast(pa.int32())
            part = pa.table({"user": batch.column(0).cast(pa.string()), "day": days})
            found = pa.concat_tables([found, part.group_by(found.column_names).aggregate([])])
        found = found.group_by(found.column_names).aggregate([])
        users = found.column("user").combine_chunks().dictionary_encode().indices
        return users.to_numpy().astype(np.int64), found.column("day").to_numpy().astype(np.int64)

    def read(self, days: Collection[date]) -> Events:
        """Events of the days, and perhaps of days between them, in any order."""
        return events_of(self._dataset.to_table(columns=COLUMNS, filter=_within(days)), self.facts())

    def touched(self, before: Position | None) -> Days:
        """Days whose rows differ from what was made at `before`; all where that cannot be told."""
        now = self.position
        if (
            before is None
            or before.events_table != now.events_table
            or before.events > now.events
            or (before.items_table, before.items) > (now.items_table, now.items)
        ):
            return ALL_DAYS
        try:
            # A purchase counts for a view of up to a day before it.
            changed = {one for day in self._changed_days(before.events) for one in (day, day - _DAY)}
            return changed | self._days_of_changed_items(before)
        except VersionsGoneError:
            return ALL_DAYS

    def _changed_days(self, since: int) -> set[date]:
        days: set[date] = set()
        for change in changes(self._folder, since, self.position.events):
            for times in _column(change.path, _TIME):
                days.update(_days(times))
        return days

    def _days_of_changed_items(self, before: Position) -> set[date]:
        if (before.items_table, before.items) == (self.position.items_table, self.position.items):
            return set()
        earlier, now = NO_FACTS, self.facts()
        if before.items_table:
            if before.items_table != self.position.items_table:
                raise VersionsGoneError("the catalogue was made anew")
            earlier = _facts(_at(self._settings, before.items))
        changed = pa.concat_arrays([now.unlike(earlier), earlier.unlike(now)])
        days: set[date] = set()
        for batch in self._dataset.to_batches(columns=[_TIME], filter=ds.field("item_id").isin(changed)):
            days.update(_days(batch.column(0)))
        return days


def pin(settings: Settings) -> Silver | None:
    """Both tables at their newest versions, None before there are events."""
    # The catalogue first: events of an item that is newer than it are made anew once it is seen.
    items = open_table(settings, Table.SILVER_ITEMS)
    events = open_table(settings, Table.SILVER_EVENTS)
    return None if events is None else Silver(settings, events, items)


def _facts(items: DeltaTable | None) -> Facts:
    return NO_FACTS if items is None else facts(items.to_pyarrow_table(columns=FACT_COLUMNS))


def _at(settings: Settings, version: int) -> DeltaTable:
    try:
        found = open_table(settings, Table.SILVER_ITEMS, version)
    except SaranError as error:
        raise VersionsGoneError(str(error)) from error
    if found is None:
        raise VersionsGoneError("there is no catalogue")
    return found


def _column(path: Location, name: str) -> Iterator[pa.Array]:
    try:
        with open_input(path) as file:
            for batch in pq.ParquetFile(file, pre_buffer=True).iter_batches(1 << 20, columns=[name]):
                yield batch.column(0)
    except FileNotFoundError as error:
        raise VersionsGoneError(f"{path} was removed") from error


def _days(times: pa.Array) -> dict[date, int]:
    counted = pc.value_counts(pc.floor_temporal(times, unit="day").cast(pa.date32()))
    return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))


def _within(days: Days) -> ds.Expression | None:
    """Those that hold the days, neighbouring ones as one range; at most 50 ranges, then also days between."""
    if days is ALL_DAYS:
        return None
    ranges: list[tuple[date, date]] = []
    for day in sorted(days):
        if ranges and (day == ranges[-1][1] or len(ranges) == 50):
            ranges[-1] = (ranges[-1][0], day + _DAY)
        else:
            ranges.append((day, day + _DAY))
    condition = ds.scalar(False)
    for first, end in ranges:
        condition |= (ds.field(_TIME) >= _moment(first)) & (ds.field(_TIME) < _moment(end))
    return condition


def _moment(day: date) -> pa.Scalar:
    return pa.scalar(datetime(day.year, day.month, day.day, tzinfo=UTC), pa.timestamp("us", "UTC"))
