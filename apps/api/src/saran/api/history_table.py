"""`online.user_history` and `online.offsets` as the worker moves them, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from saran.api import pg_binary
from saran.api.history import EventColumns

Connection = psycopg.Connection[tuple[Any, ...]]

_COLUMNS: Final = "user_id, item_ids, actions, event_values, event_times, event_hashes"
_UPDATE: Final = """
UPDATE online.user_history h SET
    item_ids = a.item_ids, actions = a.actions, event_values = a.event_values,
    event_times = a.event_times, event_hashes = a.event_hashes
FROM arrived a WHERE a.known AND a.user_id = h.user_id
"""
_INSERT: Final = f"""
INSERT INTO online.user_history ({_COLUMNS}) SELECT {_COLUMNS} FROM arrived WHERE NOT known ORDER BY user_id
ON CONFLICT DO NOTHING
"""  # noqa: S608
_STATEMENT_TIMEOUT_MS: Final = 30_000
_CONNECT_TIMEOUT_SECONDS: Final = 5


class MovedError(Exception):
    """Another consumer has stored a partition or a user meanwhile: what was read must be read again."""


def connect(url: str) -> Connection:
    """A connection for the worker. Raises psycopg.OperationalError when the server is away."""
    connection = psycopg.connect(
        url,
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        # A batch is small against the table, which the planner cannot know of a temporary one: never scan it whole.
        options=f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c enable_hashjoin=off -c enable_mergejoin=off",
        keepalives_idle=10,
        tcp_user_timeout=_STATEMENT_TIMEOUT_MS,
        prepare_threshold=0,
    )
    pg_binary.register_raw_arrays(connection)
    connection.execute("CREATE TEMPORARY TABLE arrived (LIKE online.user_history, known boolean) ON COMMIT DELETE ROWS")
    connection.commit()
    return connection


def read_offsets(connection: Connection, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """Next offset of each partition; 0 for one that was never read."""
    with connection.transaction():
        connection.cursor().executemany(
            "INSERT INTO online.offsets (topic, partition, next_offset) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING",
            [(topic, partition) for partition in sorted(partitions)],
        )
        rows = connection.execute(
            "SELECT partition, next_offset FROM online.offsets WHERE topic = %s AND partition = ANY(%s)",
            (topic, list(partitions)),
        )
        return dict(rows.fetchall())


def move_offsets(connection: Connection, topic: str, moves: Mapping[int, tuple[int, int]]) -> None:
    """Move each partition's next offset from the first to the second of its pair.

    The rows stay locked to the end of the transaction, so of two consumers of a partition one waits and then
    fails. Raises MovedError when any is not where the caller took it to be.
    """
    partitions = sorted(moves)
    moved = connection.execute(
        """
        WITH held AS (
            SELECT o.topic, o.partition, m.new FROM online.offsets o
            JOIN unnest(%s::int[], %s::bigint[], %s::bigint[]) AS m (partition, old, new)
              ON o.topic = %s AND o.partition = m.partition AND o.next_offset = m.old
            ORDER BY o.partition FOR UPDATE OF o
        )
        UPDATE online.offsets o SET next_offset = held.new FROM held
        WHERE (o.topic, o.partition) = (held.topic, held.partition)
        """,
        (partitions, [moves[p][0] for p in partitions], [moves[p][1] for p in partitions], topic),
    ).rowcount
    if moved != len(partitions):
        raise MovedError(f"{len(partitions) - moved} of the partitions {partitions} of {topic} have moved")


def read_histories(connection: Connection, user_ids: Sequence[str]) -> EventColumns:
    """Stored events of the users, locked; `users` are positions in `user_ids`."""
    rows = (
        connection.cursor(binary=True)
        .execute(
            f"SELECT {_COLUMNS} FROM online.user_history WHERE user_id = ANY(%s) ORDER BY user_id FOR UPDATE",  # noqa: S608
            (list(user_ids),),
        )
        .fetchall()
    )
    position = {user_id: place for place, user_id in enumerate(user_ids)}
    users = np.array([position[row[0]] for row in rows], dtype=np.int64)
    return EventColumns(
        np.repeat(users, [len(row[1]) for row in rows]) if rows else users,
        list(chain.from_iterable(row[1] for row in rows)),
        pg_binary.decode_arrays((row[2] for row in rows), "int16"),
        pg_binary.decode_arrays((row[3] for row in rows), "float32"),
        pg_binary.decode_arrays((row[4] for row in rows), "int64"),
        pg_binary.decode_arrays((row[5] for row in rows), "int64"),
    )


def write_histories(
    connection: Connection, user_ids: Sequence[str], events: EventColumns, *, known: NDArray[np.bool_]
) -> None:
    """Replace the histories of the users that `events`, sorted by user, are of.

    `known` tells for each user whether `read_histories` found, and so locked, a row. Raises MovedError when a
    user that had none has one now: a consumer of another partition wrote it.
    """
    starts = np.flatnonzero(np.r_[True, events.users[1:] != events.users[:-1]][: len(events.users)])
    users = events.users[starts].tolist()
    bounds = [*starts.tolist(), len(events.users)]
    elements = {item: pg_binary.text_element(item) for item in set(events.items)}
    columns = (
        [user_ids[user].encode() for user in users],
        pg_binary.encode_text_arrays([elements[item] for item in events.items], bounds),
        pg_binary.encode_arrays(events.actions, bounds),
        pg_binary.encode_arrays(events.values, bounds),
        pg_binary.encode_arrays(events.times, bounds),
        pg_binary.encode_arrays(events.hashes, bounds),
        [b"\x01" if known[user] else b"\x00" for user in users],
    )
    new = len(users) - int(np.count_nonzero(known[users]))
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY arrived ({_COLUMNS}, known) FROM STDIN (FORMAT binary)") as copy:
            copy.write(pg_binary.COPY_HEADER)
            copy.write(b"".join(map(pg_binary.copy_row, zip(*columns, strict=True))))
            copy.write(pg_binary.COPY_END)
        if new < len(users):
            cursor.execute(_UPDATE)
        if new and cursor.execute(_INSERT).rowcount != new:
            raise MovedError("a user without a history was given one meanwhile")
