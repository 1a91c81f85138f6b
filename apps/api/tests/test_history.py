"""Histories as a function of the set of events, and arrays as PostgreSQL writes them."""

from __future__ import annotations

import hashlib

import numpy as np
import psycopg
import pytest

from saran.api import pg_binary
from saran.api.history import EventColumns, event_hashes, merge


def columns(rows: list[tuple[int, str, int, int]]) -> EventColumns:
    """From (user, item, time, hash)."""
    return EventColumns(
        np.array([row[0] for row in rows], dtype=np.int64),
        [row[1] for row in rows],
        np.zeros(len(rows), dtype=np.int16),
        np.full(len(rows), np.nan, dtype=np.float32),
        np.array([row[2] for row in rows], dtype=np.int64),
        np.array([row[3] for row in rows], dtype=np.int64),
    )


def rows_of(events: EventColumns) -> list[tuple[int, str, int, int]]:
    return list(zip(events.users.tolist(), events.items, events.times.tolist(), events.hashes.tolist(), strict=True))


def test_any_order_and_any_repetition_give_the_same_history() -> None:
    generator = np.random.default_rng(1)
    every = [
        (int(user), f"i{n}", int(generator.integers(30)), n) for n, user in enumerate(generator.integers(5, size=400))
    ]
    expected = []
    for user in range(5):
        expected += sorted((row for row in every if row[0] == user), key=lambda row: (row[2], row[3]))[-20:]
    for _ in range(10):
        state = columns([])
        sent = [*every, *(every[i] for i in generator.integers(400, size=200))]
        generator.shuffle(sent)
        sent = [(int(user), str(item), int(time), int(number)) for user, item, time, number in sent]
        while sent:
            size = int(generator.integers(1, 90))
            state, sent = merge(state, columns(sent[:size]), history=20), sent[size:]
        assert rows_of(state) == expected


def test_of_two_events_with_one_id_the_first_stays() -> None:
    stored = merge(columns([]), columns([(0, "first", 5, 1), (0, "second", 9, 1)]), history=10)
    assert rows_of(stored) == [(0, "first", 5, 1)]
    assert rows_of(merge(stored, columns([(0, "third", 9, 1)]), history=10)) == [(0, "first", 5, 1)]


def test_hashes_order_like_hexadecimal_md5() -> None:
    ids = [f"event {n}" for n in range(500)]
    digests = [hashlib.md5(one.encode()).hexdigest() for one in ids]  # noqa: S324
    by_hash = sorted(range(500), key=lambda n: event_hashes(ids)[n])
    assert by_hash == sorted(range(500), key=lambda n: digests[n])
    assert len(event_hashes([])) == 0


@pytest.mark.postgres
def test_arrays_are_what_postgres_reads_and_writes(postgres_url: str) -> None:
    bounds = [0, 2, 3, 7]
    whole = np.array([-5, 2**62, 0, 1, 2, 3, -(2**63)], dtype=np.int64)
    small = np.array([0, 1, 2, 3, 4, -32768, 32767], dtype=np.int16)
    real = np.array([np.nan, 0.5, -1e30, 0, 1, np.inf, 3], dtype=np.float32)
    texts = ["a", 'é"\\{}', "", "NULL", "x y", "\U0001f600", "z"]
    columns_sent = [
        pg_binary.encode_arrays(whole, bounds),
        pg_binary.encode_arrays(small, bounds),
        pg_binary.encode_arrays(real, bounds),
        pg_binary.encode_text_arrays([pg_binary.text_element(text) for text in texts], bounds),
    ]
    with psycopg.connect(postgres_url, connect_timeout=5) as connection:
        connection.execute("CREATE TEMPORARY TABLE t (a bigint[], b smallint[], c real[], d text[])")
        with connection.cursor().copy("COPY t FROM STDIN (FORMAT binary)") as copy:
            copy.write(pg_binary.COPY_HEADER)
            copy.write(b"".join(pg_binary.copy_row(row) for row in zip(*columns_sent, strict=True)))
            copy.write(pg_binary.COPY_END)
        plain = connection.execute("SELECT a, b, d FROM t").fetchall()
        assert [row[0] for row in plain] == [whole[:2].tolist(), whole[2:3].tolist(), whole[3:].tolist()]
        assert [row[1] for row in plain] == [small[:2].tolist(), small[2:3].tolist(), small[3:].tolist()]
        assert [row[2] for row in plain] == [texts[:2], texts[2:3], texts[3:]]
        pg_binary.register_raw_arrays(connection)
        raw = connection.cursor(binary=True).execute("SELECT a, b, c, ARRAY[1, NULL]::bigint[] FROM t").fetchall()
        np.testing.assert_array_equal(pg_binary.decode_arrays((row[0] for row in raw), "int64"), whole)
        np.testing.assert_array_equal(pg_binary.decode_arrays((row[1] for row in raw), "int16"), small)
        np.testing.assert_array_equal(pg_binary.decode_arrays((row[2] for row in raw), "float32"), real)
        with pytest.raises(ValueError, match="NULL"):
            pg_binary.decode_arrays([raw[0][3]], "int64")
