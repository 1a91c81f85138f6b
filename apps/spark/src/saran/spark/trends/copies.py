"""Copies of the gold tables of trends in PostgreSQL, which the API reads."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from datetime import date, timedelta
from typing import Any, Final

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset as ds
from psycopg import sql

from saran.core.database import migrate
from saran.core.names import Table
from saran.core.settings import Settings
from saran.spark.tables import open_table
from saran.spark.trends.schemas import SCHEMAS, WHOLE
from saran.spark.trends.silver import ALL_DAYS, Days, Position, Silver
from saran.spark.trends.totals import Totals, totals

_CONNECT_SECONDS: Final = 3
_STATEMENT_SECONDS: Final = 600
_TARGETS: Final = {name: sql.Identifier("analytics", name.removeprefix("gold.")) for name in SCHEMAS}
_POSITION: Final = [field.name for field in fields(Position)]
_KEPT_DAYS: Final = {"hour": 3, "day": 60}
"""Up to the newest event's day, of single items: what the API compares is at most 30 days with the 30 before."""

_Connection = psycopg.Connection[tuple[Any, ...]]


def bring_up_copies(settings: Settings, silver: Silver, *, anew: bool = False) -> None:
    """Bring PostgreSQL's tables to `silver`, which the gold tables must be of: in one transaction, or not at all.

    Copies that are of a newer version stay as they are. `anew` copies also what should not have changed.

    Raises psycopg.Error, and FileNotFoundError where a laptop's server was never started.
    """
    url = settings.postgres_url
    migrate(url, timeout_seconds=_CONNECT_SECONDS)
    options = f"-c statement_timeout={_STATEMENT_SECONDS * 1000}"
    with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS, options=options) as connection:
        before = _copied(connection, silver)
        if before is not None and (before.events > silver.position.events or (before == silver.position and not anew)):
            return
        now = totals(silver)
        days = ALL_DAYS if now is None else silver.touched(None if anew else before)
        for name, target in _TARGETS.items():
            # TRUNCATE would keep readers waiting for the whole copy.
            command = sql.SQL("DELETE FROM {}").format(target)
            if days is ALL_DAYS or name in WHOLE:
                connection.execute(command)
            else:
                connection.execute(command + sql.SQL(" WHERE day = ANY(%s)"), [list(days)])
        if now is not None:
            for name in _TARGETS:
                _copy(connection, settings, name, ALL_DAYS if name in WHOLE else days, now.as_of.date())
            _forget_items(connection, now.as_of.date())
        _write_state(connection, silver.position, now)


def _copied(connection: _Connection, silver: Silver) -> Position | None:
    """What the copies are of; None when they have to be made anew."""
    # Two drivers, one of them given up for dead: the later waits for the earlier, and then sees what it did.
    connection.execute("LOCK TABLE analytics.trends IN SHARE ROW EXCLUSIVE MODE")
    columns = _names([*_POSITION, "as_of"])
    found = connection.execute(sql.SQL("SELECT {} FROM analytics.trends").format(columns)).fetchone()
    if found is None:
        return None
    *position, as_of = found
    newest = silver.newest()
    # Days of items that were too old for a copy are among the kept ones again: an erasure took the newest events.
    if newest is None or newest.date() < as_of.astimezone(newest.tzinfo).date():
        return None
    return Position(*position)


def _copy(connection: _Connection, settings: Settings, name: str, days: Days, today: date) -> None:
    target = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(_TARGETS[name], _names(SCHEMAS[name].names))
    with connection.cursor() as cursor, cursor.copy(target) as copy:
        for batch in _rows(settings, name, days, today):
            text = io.BytesIO()
            pa.csv.write_csv(batch, text, pa.csv.WriteOptions(include_header=False))
            copy.write(text.getvalue())


def _rows(settings: Settings, name: str, days: Days, today: date) -> Iterator[pa.RecordBatch]:
    table = open_table(settings, name)
    if table is None:
        raise FileNotFoundError(f"there is no table {name}")
    schema = SCHEMAS[name]
    wanted = ds.scalar(True) if days is ALL_DAYS else ds.field("day").isin(pa.array(list(days), pa.date32()))
    if name == Table.GOLD_ITEM_TRENDS:
        kept = ds.field("kind") != "item"
        for grain, count in _KEPT_DAYS.items():
            kept |= (ds.field("grain") == grain) & (ds.field("day") > today - timedelta(days=count))
        wanted &= kept
    for batch in table.to_pyarrow_dataset().to_batches(columns=schema.names, filter=wanted):
        yield pa.RecordBatch.from_arrays([_storable(column) for column in batch.columns], names=schema.names)


def _storable(column: pa.Array) -> pa.Array:
    """PostgreSQL's text holds no NUL; a category may."""
    if pa.types.is_string(column.type):
        return pc.replace_substring(column, "\0", "\N{REPLACEMENT CHARACTER}")
    return column


def _forget_items(connection: _Connection, today: date) -> None:
    for grain, count in _KEPT_DAYS.items():
        connection.execute(
            "DELETE FROM analytics.item_trends WHERE kind = 'item' AND grain = %s AND day <= %s",
            (grain, today - timedelta(days=count)),
        )


def _write_state(connection: _Connection, position: Position, now: Totals | None) -> None:
    connection.execute("DELETE FROM analytics.trends")
    if now is not None:
        row = asdict(position) | asdict(now)
        connection.execute(
            sql.SQL("INSERT INTO analytics.trends ({}) VALUES ({})").format(
                _names(row), sql.SQL(", ").join(sql.Placeholder() * len(row))
            ),
            list(row.values()),
        )


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
