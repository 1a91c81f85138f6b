"""Rows of PostgreSQL as files and back, by COPY over the connection: no program of PostgreSQL is needed.

All tables are read in one snapshot, and put back in one transaction, as streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import TopologicalSorter
from typing import Any, Final

import psycopg
import pyarrow as pa
from psycopg import sql

from saran.core.names import Schema
from saran.core.s3 import Location, open_input, open_output
from saran.core.stored_files import below
from saran.spark.backup.manifest import Dump

FOLDER: Final = "database"
REBUILT: Final = (
    "online.offsets",
    "analytics.table_counts",
    "analytics.heartbeats",
    "analytics.item_trends",
    "analytics.funnel_hourly",
    "analytics.activity_heatmap",
    "analytics.retention",
    "analytics.trends",
)
"""Not in a backup, and emptied by a restore: the worker reads Kafka from its beginning (an event counts once in a
history), the stream driver counts its tables and copies trends when it starts, and parts tell that they live."""

_SCHEMAS: Final = (Schema.ONLINE, Schema.ANALYTICS)
_CODEC: Final = "zstd"
_PIECE_BYTES: Final = 1 << 20
_CONNECT_SECONDS: Final = 10
_Connection = psycopg.Connection[tuple[Any, ...]]

_COLUMNS: Final = """
SELECT n.nspname || '.' || c.relname, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = ANY(%s) AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY 1 ORDER BY 1
"""
_REFERENCES: Final = """
SELECT n.nspname || '.' || c.relname, m.nspname || '.' || d.relname
FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class d ON d.oid = f.confrelid JOIN pg_namespace m ON m.oid = d.relnamespace
WHERE f.contype = 'f' AND f.conrelid <> f.confrelid
"""


def dump(url: str, folder: Location) -> list[Dump]:
    """Write the rows of each table to `folder`/database/…, all as of one moment. Raises psycopg.Error, OSError."""
    with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        columns = _columns(connection)
        order = TopologicalSorter[str](dict.fromkeys(columns, ()))
        for child, parent in connection.execute(_REFERENCES).fetchall():
            if child in columns and parent in columns:
                order.add(child, parent)
        return [_write(connection, folder, table, columns[table]) for table in order.static_order()]


def occupied(url: str, dumps: Sequence[Dump]) -> list[str]:
    """Tables of the database that have rows which putting `dumps` back would replace."""
    with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
        found = []
        for table in (dump.table for dump in dumps):
            query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(_identifier(table))
            if connection.execute(query).fetchone() == (True,):
                found.append(table)
        return found


def load(url: str, places: Sequence[tuple[Dump, Location]]) -> None:
    """Replace the rows of the dumps' tables by those in the files, and empty what is rebuilt; all or nothing."""
    with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
        emptied = [*(dump.table for dump, _ in places), *REBUILT]
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(_identifier, emptied))))
        for dumped, place in places:
            command = sql.SQL("COPY {} ({}) FROM STDIN").format(_identifier(dumped.table), _list(dumped.columns))
            with (
                open_input(place) as file,
                pa.CompressedInputStream(file, _CODEC) as rows,
                connection.cursor() as cursor,
                cursor.copy(command) as copy,
            ):
                while piece := rows.read(_PIECE_BYTES):
                    copy.write(piece)


def _columns(connection: _Connection) -> dict[str, list[str]]:
    rows = connection.execute(_COLUMNS, (list(_SCHEMAS),)).fetchall()
    return {table: columns for table, columns in rows if table not in REBUILT}


def _write(connection: _Connection, folder: Location, table: str, columns: list[str]) -> Dump:
    path = f"{FOLDER}/{table}.copy.{_CODEC}"
    target = below(folder, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    command = sql.SQL("COPY {} ({}) TO STDOUT").format(_identifier(table), _list(columns))
    with (
        open_output(target) as file,
        pa.CompressedOutputStream(file, _CODEC) as packed,
        connection.cursor() as cursor,
    ):
        with cursor.copy(command) as copy:
            for piece in copy:
                packed.write(piece)
        rows = cursor.rowcount
    return Dump(table=table, columns=columns, rows=rows, path=path)


def _identifier(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split(".", 1))


def _list(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
