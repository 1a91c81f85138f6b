"""The worker against a plain-Python oracle, through duplicates, disorder, kills and competing workers."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from saran.api import history_table
from saran.core.entities import ACTION_CODES
from saran.core.names import Group
from saran.core.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

START = datetime(2020, 1, 1, tzinfo=UTC)


def event(number: int, user: str, *, seconds: int, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "event_time": (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z"),
        "user_id": user,
        "item_id": f"item {number % 40}",
        "action": "view",
        "source": "test",
        **fields,
    }


def records(events: list[dict[str, Any]]) -> list[tuple[str, bytes]]:
    return [(str(one["user_id"]), json.dumps(one).encode()) for one in events]


def oracle(events: list[dict[str, Any]], history: int) -> dict[str, list[tuple[str, int, float | None, int]]]:
    """The last `history` distinct events of each user by (time, MD5 of the id)."""
    users: dict[str, dict[str, tuple[datetime, str, dict[str, Any]]]] = {}
    for one in events:
        digest = hashlib.md5(one["event_id"].encode()).hexdigest()[:16]  # noqa: S324
        moment = datetime.fromisoformat(one["event_time"])
        users.setdefault(one["user_id"], {}).setdefault(one["event_id"], (moment, digest, one))
    return {
        user: [
            (one["item_id"], ACTION_CODES[one["action"]], one.get("value"), int(moment.timestamp() * 1000))
            for moment, _, one in sorted(distinct.values(), key=lambda entry: entry[:2])[-history:]
        ]
        for user, distinct in users.items()
    }


def stored(settings: Settings) -> dict[str, list[tuple[str, int, float | None, int]]]:
    with psycopg.connect(settings.postgres_url, connect_timeout=5) as connection:
        rows = connection.execute(
            "SELECT user_id, item_ids, actions, event_values, event_times FROM online.user_history"
        ).fetchall()
    return {
        user: [
            (item, action, None if value != value else value, moment)  # noqa: PLR0124  NaN is no value
            for item, action, value, moment in zip(items, actions, values, times, strict=True)
        ]
        for user, items, actions, values, times in rows
    }


def crowd(count: int, seed: int) -> list[dict[str, Any]]:
    """Events of 60 users, out of order, some at equal times, all kinds of actions and values."""
    generator = random.Random(seed)
    actions = list(ACTION_CODES)
    return [
        event(
            number,
            f"user {min(59, int(generator.expovariate(0.1)))}",
            seconds=generator.randrange(count // 4),
            action=generator.choice(actions),
            value=generator.choice([None, 0.5, 4.0]),
        )
        for number in range(count)
    ]


def test_histories_equal_the_oracle_through_kills_duplicates_and_a_replay(settings: Settings, worker: Any) -> None:
    events = crowd(30_000, seed=1)
    generator = random.Random(2)
    sent = events + generator.sample(events, 3000)
    generator.shuffle(sent)
    expected = oracle(events, history=100)
    for part in range(4):
        worker.start(SARAN_SERVING__HISTORY_LENGTH="100")
        before = worker.applied()
        worker.send(records(sent[part::4]))
        worker.until_applied(before + 1)
        worker.end(signal.SIGKILL)
    worker.start(SARAN_SERVING__HISTORY_LENGTH="100")
    worker.until_applied(len(sent))
    assert stored(settings) == expected
    assert max(map(len, expected.values())) == 100  # the bound was reached, else this showed less

    worker.send(records(events))
    worker.until_applied(len(sent) + len(events))
    assert stored(settings) == expected
    assert worker.end() == 0


def test_what_ingest_rejects_does_not_enter_and_is_counted(settings: Settings, worker: Any) -> None:
    good = [
        event(1, "u", seconds=1),
        event(2, "u", seconds=2, value=1e12, context={"batch": "3"}),
        event(3, "u", seconds=3, item_id=77, value=None),
        event(4, "u", seconds=4, item_id='\u00e9\\"\U0001f600'),
        event(5, "u", seconds=5, event_time="2020-01-01T07:00:05+07:00"),
    ]
    future = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    bad = [
        b"",
        b"not json",
        b"[]",
        b'\xff{"event_id": "x"}',
        json.dumps({"event_id": "x", "source": "test", "error": "no time", "raw": "1,2"}).encode(),
        *(
            json.dumps(
                {key: value for key, value in {**event(9, "u", seconds=9), **wrong}.items() if value != "-"}
            ).encode()
            for wrong in (
                {"event_id": "-"},
                {"user_id": ""},
                {"item_id": "x" * 257},
                {"item_id": "a\nb"},
                {"item_id": "del\x7f"},
                {"action": "stare"},
                {"value": 1.1e12},
                {"value": "five"},
                {"user_id": 1.5},
                {"event_time": "2020-01-01T00:00:00"},
                {"event_time": future},
                {"event_time": "1969-12-31T23:59:59Z"},
                {"context": {str(n): "" for n in range(33)}},
                {"context": {"k": "x" * 1025}},
                {"colour": "red"},
            )
        ),
    ]
    worker.start()
    worker.send([("u", value) for _, value in records(good)] + [("u", value) for value in bad])
    worker.until_applied(len(good) + len(bad))
    times = [int((START + timedelta(seconds=n)).timestamp() * 1000) for n in range(1, 6)]
    assert stored(settings) == {
        "u": [
            ("item 1", 0, None, times[0]),
            ("item 2", 0, pytest.approx(1e12), times[1]),
            ("77", 0, None, times[2]),
            ('\u00e9\\"\U0001f600', 0, None, times[3]),
            ("item 5", 0, None, times[4]),
        ]
    }
    with urllib.request.urlopen(f"http://127.0.0.1:{settings.port('worker_metrics')}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    assert f'saran_worker_records_total{{outcome="stored"}} {len(good)}.0' in text
    assert f'saran_worker_records_total{{outcome="rejected"}} {len(bad)}.0' in text
    assert f'saran_worker_events_total{{action="view"}} {len(good)}.0' in text
    behind = [line for line in text.splitlines() if line.startswith("saran_worker_offsets_behind{")]
    assert sum(settings.events_topic in line for line in behind) == 4  # a partition each, idle ones too
    assert all(line.endswith(" 0.0") for line in behind)


def test_offsets_are_shown_to_kafka_and_a_stopped_worker_loses_nothing(settings: Settings, worker: Any) -> None:
    worker.send(records(crowd(500, seed=3)))
    worker.start()
    worker.until_applied(500)
    assert worker.end() == 0
    reader = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": Group.ONLINE})
    shown = reader.committed([TopicPartition(settings.events_topic, number) for number in range(4)], timeout=10)
    reader.close()
    assert sum(max(0, partition.offset) for partition in shown) == 500
    with psycopg.connect(settings.postgres_url, connect_timeout=5) as connection:
        row = connection.execute("SELECT now() - seen_at FROM analytics.heartbeats WHERE part = 'worker'").fetchone()
    assert row is not None
    assert row[0] < timedelta(seconds=60)


def test_two_workers_share_the_partitions(settings: Settings, worker: Any, until: Callable[..., None]) -> None:
    events = crowd(4000, seed=4)
    second = type(worker)(settings, worker.log.with_name("second.log"))
    worker.start()
    second.start(SARAN_PORT_OFFSET=str(settings.port_offset + 1))
    try:
        for start in range(0, 4000, 500):
            worker.send(records(events[start : start + 500]))
        worker.until_applied(4000)
        until(lambda: "reading" in second.log.read_text() and "reading" in worker.log.read_text())
        worker.send(records(events[:1000]))
        worker.until_applied(5000)
    finally:
        second.end()
    assert stored(settings) == oracle(events, history=500)


def test_a_worker_that_was_given_up_for_dead_stores_nothing(postgres_url: str) -> None:
    with history_table.connect(postgres_url) as ours, history_table.connect(postgres_url) as theirs:
        assert history_table.read_offsets(ours, "t", [0, 3]) == {0: 0, 3: 0}
        with theirs.transaction():
            history_table.move_offsets(theirs, "t", {0: (0, 5)})
        with pytest.raises(history_table.MovedError), ours.transaction():
            history_table.move_offsets(ours, "t", {0: (0, 7), 3: (0, 2)})
        assert history_table.read_offsets(ours, "t", [0, 3]) == {0: 5, 3: 0}


def test_a_user_written_by_another_partitions_worker_is_not_overwritten(postgres_url: str) -> None:
    from saran.api.records import parse

    def parsed(number: int) -> Any:
        return parse([json.dumps(event(number, "u", seconds=number)).encode()], [time.time_ns() // 1_000_000])

    import numpy as np

    with history_table.connect(postgres_url) as ours, history_table.connect(postgres_url) as theirs:
        with theirs.transaction():
            history_table.write_histories(theirs, ["u"], parsed(1).events, known=np.array([False]))
        with pytest.raises(history_table.MovedError), ours.transaction():
            history_table.write_histories(ours, ["u"], parsed(2).events, known=np.array([False]))
        assert history_table.read_histories(ours, ["u"]).items == ["item 1"]
