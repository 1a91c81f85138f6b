"""The gold tables of trends as Delta tables: each commit carries the versions of silver that its rows are of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import TableNotFoundError

from saran.core.names import Table
from saran.core.s3 import delta_options
from saran.core.settings import Settings
from saran.spark.trends.compute import chunks, gold_of
from saran.spark.trends.copies import bring_up_copies
from saran.spark.trends.retention import retention
from saran.spark.trends.schemas import SCHEMAS
from saran.spark.trends.silver import ALL_DAYS, Days, Position, Silver, pin
from saran.spark.upkeep import Upkeep, upkeep

_CONFIGURATION: Final = {"delta.enableDeletionVectors": "false"}


def _never() -> bool:
    return False


def made_at(settings: Settings, now: Position) -> Position | None:
    """Versions of the tables of `now` that all gold tables are of at least; None when one is of none."""
    versions = []
    for name in SCHEMAS:
        folder = settings.table_folder(name)
        try:
            table = DeltaTable(str(folder), storage_options=delta_options(folder))
        except TableNotFoundError:
            return None
        events = table.transaction_version(_application(Table.SILVER_EVENTS, now.events_table))
        items = table.transaction_version(_application(Table.SILVER_ITEMS, now.items_table))
        if events is None or items is None:
            return None
        versions.append((events, items))
    events, items = (min(each) for each in zip(*versions, strict=True))
    return Position(now.events_table, events, now.items_table, items if now.items_table else -1)


def bring_up(settings: Settings, silver: Silver, days: Days, ended: Callable[[], bool] = _never) -> bool:
    """Replace the rows of `days`, and the tables of WHOLE, by what silver has now; whether that came to its end.

    May stop anywhere, as when `ended` says so: only the last commit of a table moves what it is of, and whatever runs
    next makes the same days anew.
    """
    parts = list(chunks(silver, days))
    for place, chunk in enumerate(parts):
        if ended():
            return False
        for name, rows in gold_of(silver, chunk).items():
            _replace(settings, name, rows, chunk.condition, silver.position if place == len(parts) - 1 else None)
    if parts:
        _replace(
            settings, Table.GOLD_RETENTION, retention(*silver.days_of_users()), "grain IS NOT NULL", silver.position
        )
    return True


def recompute(settings: Settings) -> Silver | None:
    """Make all gold tables of trends from silver's newest versions, which are given back; None before there are events.

    Raises deltalake's CommitFailedError when the stream writes at the same moment.
    """
    silver = pin(settings)
    if silver is None:
        return None
    bring_up(settings, silver, ALL_DAYS)
    return silver


def upkeep_all(settings: Settings, order: Upkeep) -> None:
    """Look after the tables, which are there."""
    for name in SCHEMAS:
        upkeep(settings.table_folder(name), name, order)


class TrendsStream:
    """Keeps the tables and their copies in PostgreSQL level with silver: one call, one batch."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: Position | None = None
        self._copied: Position | None = None

    def __call__(self, ended: Callable[[], bool] = _never) -> int | None:
        """Take what silver has since the last batch; silver.events' version that gold is of now, None when of none.

        A batch that fails leaves everything to the next.
        """
        silver = pin(self._settings)
        if silver is None:
            return None
        if self._made != silver.position:
            before = self._made or made_at(self._settings, silver.position)
            if not bring_up(self._settings, silver, silver.touched(before), ended):
                return None if before is None else before.events
            self._made = silver.position
        if self._copied != silver.position:
            bring_up_copies(self._settings, silver)
            self._copied = silver.position
        return silver.position.events


def _replace(settings: Settings, name: str, rows: pa.Table, condition: str, position: Position | None) -> None:
    folder = settings.table_folder(name)
    transactions = []
    if position is not None:
        transactions = [
            Transaction(_application(Table.SILVER_EVENTS, position.events_table), position.events),
            Transaction(_application(Table.SILVER_ITEMS, position.items_table), max(0, position.items)),
        ]
    options = delta_options(folder)
    DeltaTable.create(
        str(folder), rows.schema, mode="ignore", name=name, configuration=_CONFIGURATION, storage_options=options
    )
    write_deltalake(
        str(folder),
        rows,
        mode="overwrite",
        predicate=condition,
        commit_properties=CommitProperties(app_transactions=transactions),
        storage_options=options,
    )


def _application(table: str, table_id: str) -> str:
    return f"{table}/{table_id}"
