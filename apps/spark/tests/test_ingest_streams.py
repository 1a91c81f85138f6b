"""The stream driver as a process of its own, with a real broker and a real database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from apps.spark.tests.ingest_records import event_json
from apps.spark.tests.test_trends import copied, gold, state
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from deltalake import DeltaTable
from tests.servers import free_offset, kafka_server

from saran.core.erasures import Erasure, erasure_key
from saran.core.names import Group, Header, Table, Topic
from saran.core.pseudonym import pseudonyms
from saran.core.settings import Settings
from saran.spark.maintain import maintain
from saran.spark.trends.schemas import SCHEMAS
from saran.spark.trends.silver import pin
from saran.spark.trends.tables import recompute

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(600)]

PATIENCE = 180.0
AnswerT = TypeVar("AnswerT")


class Driver:
    """`python -m saran.spark.streams` over a home of the test's own."""

    def __init__(self, settings: Settings, database: str, jars: Path) -> None:
        self.settings = settings
        self.log = settings.home / "streams.log"
        self.environment = {
            **os.environ,
            "SARAN_HOME": str(settings.home),
            "SARAN_KAFKA__BOOTSTRAP": settings.bootstrap,
            "SARAN_DATABASE_URL": database,
            "SARAN_PORT_OFFSET": str(settings.port_offset),
            "SARAN_SPARK_JARS": str(jars),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "saran.spark.streams"], env=self.environment, stdout=log, stderr=log
            )
        self.process = self.process or process
        return process

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE)
        self.process = None
        return code


def until(what: str, answer: Callable[[], AnswerT | None], log: Path) -> AnswerT:
    """Wait for an answer that is true; fails with the driver's last words."""
    deadline = time.monotonic() + PATIENCE
    while not (found := answer()):
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} in {PATIENCE} s:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)
    return found


def produce(settings: Settings, topic: str, records: list[tuple[str, bytes | None]]) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap, "enable.idempotence": True})
    for key, value in records:
        producer.produce(topic, value=value, key=key.encode())
    assert producer.flush(30) == 0


def letters(settings: Settings, count: int) -> list[Message]:
    """The first `count` records of the dead-letter topic."""
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "test"})
    places = [TopicPartition(Topic.DLQ, partition, 0) for partition in range(settings.kafka.partitions)]
    consumer.assign(places)
    try:
        return [message for message in consumer.consume(count, timeout=30) if message.error() is None]
    finally:
        consumer.close()


def rows(settings: Settings, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in DeltaTable(settings.table_path(table)).to_pyarrow_table().to_pylist()]


def counted(database: str, table: str) -> int | None:
    """Rows of a table as pages see them."""
    with psycopg.connect(database, connect_timeout=5) as connection:
        found = connection.execute("SELECT rows FROM analytics.table_counts WHERE table_name = %s", (table,)).fetchone()
    return None if found is None else int(found[0])


def books(database: str) -> tuple[int | None, ...] | None:
    """Of events: rows of bronze and silver, rejected records and duplicates, as pages see them."""
    with psycopg.connect(database, connect_timeout=5) as connection:
        return connection.execute(
            "SELECT bronze.rows, silver.rows, silver.rejected_rows, silver.duplicate_rows"
            " FROM analytics.table_counts AS bronze, analytics.table_counts AS silver"
            " WHERE bronze.table_name = %s AND silver.table_name = %s",
            (Table.BRONZE_EVENTS, Table.SILVER_EVENTS),
        ).fetchone()


def beats(database: str) -> bool:
    with psycopg.connect(database, connect_timeout=5) as connection:
        return connection.execute("SELECT 1 FROM analytics.heartbeats WHERE part = 'streams'").fetchone() is not None


def group_offsets(settings: Settings) -> dict[int, int]:
    """What any Kafka tool sees of the group's place in `events`."""
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": Group.INGEST})
    places = [TopicPartition(Topic.EVENTS, partition) for partition in range(settings.kafka.partitions)]
    try:
        return {place.partition: max(place.offset, 0) for place in consumer.committed(places, timeout=10)}
    finally:
        consumer.close()


def without_items(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Of old single items there is no copy."""
    return {name: [row for row in rows if row.get("kind") != "item"] for name, rows in tables.items()}


def trends_agree(settings: Settings, database: str, log: Path) -> int:
    """Events in trends once they are of silver's newest version, when a recompute changes nothing."""

    def level() -> bool:
        silver, copy = pin(settings), state(database)
        return silver is not None and copy is not None and copy["events"] == silver.position.events

    until("trends level with silver", level, log)
    made = gold(settings)
    recompute(settings)
    assert gold(settings) == made
    assert without_items(copied(database)) == without_items(made)
    return sum(row["events"] for row in made[Table.GOLD_ACTIVITY_HEATMAP])


def looked_after(settings: Settings) -> None:
    """`saran maintain` beside the running driver, which owns the tables and writes on."""
    stop = threading.Event()

    def replay() -> None:
        while not stop.wait(0.05):
            produce(settings, Topic.CATALOG, [("1", b'{"item_id":"1","title":"one"}')])

    writer = threading.Thread(target=replay)
    writer.start()
    try:
        done = {one.table: one for one in maintain(settings, patience=PATIENCE, watch=lambda _: None)}
    finally:
        stop.set()
        writer.join()
    assert set(done) >= {Table.BRONZE_EVENTS, Table.SILVER_EVENTS, Table.SILVER_ITEMS, *SCHEMAS}
    events = done[Table.SILVER_EVENTS]
    assert events.before.files > 1
    assert (events.after.files, events.after.rows) == (1, 900)
    assert (done[Table.BRONZE_EVENTS].after.files, done[Table.BRONZE_EVENTS].after.rows) == (1, 1102)
    assert done[Table.BRONZE_CATALOG].after.rows > done[Table.BRONZE_CATALOG].before.rows


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Settings]:
    """A broker of the test's own: it counts every record of the platform's topics."""
    settings = Settings(home=tmp_path, port_offset=free_offset())
    server = kafka_server(settings)
    server.start()
    yield settings
    server.kill9()


@pytest.fixture
def driver(broker: Settings, postgres_url: str, spark_jars: Path) -> Iterator[Driver]:
    started = Driver(broker, postgres_url, spark_jars)
    yield started
    if started.process is not None:
        started.end(signal.SIGKILL)


def test_records_go_through_and_survive_sigterm_and_sigkill(driver: Driver, postgres_url: str) -> None:
    settings, log = driver.settings, driver.log
    good = [(str(number % 10), event_json(number).encode()) for number in range(500)]
    produce(settings, Topic.EVENTS, [*good, ("0", event_json(3).encode()), ("0", b"no json")])
    produce(settings, Topic.CATALOG, [("1", b'{"item_id":"1","title":"one"}')])
    driver.start()
    until("heartbeat", lambda: beats(postgres_url), log)
    until("events", lambda: counted(postgres_url, Table.SILVER_EVENTS) == 500, log)
    until("item", lambda: counted(postgres_url, Table.SILVER_ITEMS) == 1, log)
    until("rejected record", lambda: counted(postgres_url, Table.SILVER_REJECTED) == 1, log)
    until("offsets of the group", lambda: sum(group_offsets(settings).values()) == 502, log)

    letter = letters(settings, 1)[0]
    rejected = rows(settings, Table.SILVER_REJECTED)[0]
    headers = dict(letter.headers() or [])
    assert letter.value() == b"no json"
    assert headers[Header.REASON] == rejected["reason"].encode()
    assert headers[Header.ORIGIN] == f"events/{rejected['partition']}/{rejected['offset']}".encode()

    second = driver.start()
    assert second.wait(timeout=PATIENCE) == 1
    assert f"process {driver.process.pid if driver.process else 0} on " in log.read_text()

    assert driver.end(signal.SIGTERM) == 0
    produce(settings, Topic.EVENTS, [(str(n % 10), event_json(n).encode()) for n in range(400, 700)])
    driver.start()
    until("events after SIGTERM", lambda: counted(postgres_url, Table.SILVER_EVENTS) == 700, log)
    driver.end(signal.SIGKILL)
    produce(settings, Topic.EVENTS, [(str(n % 10), event_json(n).encode()) for n in range(600, 900)])
    driver.start()
    until("events after SIGKILL", lambda: counted(postgres_url, Table.SILVER_EVENTS) == 900, log)
    ids = [row["event_id"] for row in rows(settings, Table.SILVER_EVENTS)]
    assert sorted(ids) == [f"{number:032x}" for number in range(900)]
    places = {(row["partition"], row["offset"]) for row in rows(settings, Table.BRONZE_EVENTS)}
    assert len(places) == len(rows(settings, Table.BRONZE_EVENTS)) == 1102
    until("balanced books", lambda: books(postgres_url) == (1102, 900, 1, 201), log)
    looked_after(settings)
    assert sorted(row["event_id"] for row in rows(settings, Table.SILVER_EVENTS)) == sorted(ids)
    produce(settings, Topic.EVENTS, [("0", event_json(1000).encode())])
    until("events behind it", lambda: books(postgres_url) == (1103, 901, 1, 201), log)
    with psycopg.connect(postgres_url, connect_timeout=5) as connection:
        totals = connection.execute(
            "SELECT sum(input_rows), sum(new_rows + duplicate_rows + rejected_rows) FROM analytics.ingest_batches"
            " WHERE query LIKE 'events/%'"
        ).fetchone()
    assert totals is not None
    assert totals[0] == totals[1]
    assert trends_agree(settings, postgres_url, log) == 901


def erase(settings: Settings, user_id: str, request_id: str, until_time: datetime | None = None) -> None:
    """Order an erasure as the API does."""
    (subject,) = pseudonyms([user_id], erasure_key(settings))
    order = Erasure(request_id=request_id, subject=subject, requested_at=datetime.now(UTC), until=until_time)
    produce(settings, Topic.REQUESTS, [(subject, order.model_dump_json(exclude_none=True).encode())])


def erased(database: str) -> set[str]:
    """Requests that pages see as done."""
    with psycopg.connect(database, connect_timeout=5) as connection:
        return {str(row[0]) for row in connection.execute("SELECT request_id FROM analytics.erasures").fetchall()}


def test_an_erased_user_is_in_no_table_and_no_replay_brings_the_user_back(driver: Driver, postgres_url: str) -> None:
    settings, log = driver.settings, driver.log
    file = [(str(number % 10), event_json(number).encode()) for number in range(200)]
    file += [("o'hara", event_json(number, user_id='"o\'hara"').encode()) for number in range(200, 210)]
    wrong = [("3", b"no json of 3"), ("4", b"no json of 4")]
    produce(settings, Topic.EVENTS, [*file, *wrong])
    produce(settings, Topic.REQUESTS, [("x", b'{"kind":"another order"}')])
    said: list[tuple[str, bytes | None]] = [
        (user, f'{{"user_id":"{user}","birth_year":1990}}'.encode()) for user in ("3", "4", "5", "o'hara")
    ]
    produce(settings, Topic.USERS, said)
    driver.start()
    until("books", lambda: books(postgres_url) == (212, 210, 2, 0), log)
    until("users", lambda: counted(postgres_url, Table.SILVER_USERS) == 4, log)

    for user in ("3", "o'hara"):
        erase(settings, user, f"forget {user}")
    # The events of the file are of 2015: they go, and what is sent of the user later stays.
    erase(settings, "5", "events of 5", datetime.now(UTC))
    until("erasures", lambda: erased(postgres_url) == {"forget 3", "forget o'hara", "events of 5"}, log)
    left = [number for number in range(200) if number % 10 not in {3, 5}]
    until("books after it", lambda: books(postgres_url) == (161, 160, 1, 0), log)
    # What was said of user 5 is no event, and stays.
    assert {row["user_id"] for row in rows(settings, Table.SILVER_USERS)} == {"4", "5"}

    def check(bronze: int, newer: list[int]) -> None:
        found = rows(settings, Table.SILVER_EVENTS)
        assert sorted(row["event_id"] for row in found) == [f"{number:032x}" for number in sorted([*left, *newer])]
        assert {row["user_id"] for row in found} >= {"4"}
        records = rows(settings, Table.BRONZE_EVENTS)
        assert len(records) == bronze
        assert not {b"3", b"o'hara"} & {row["key"] for row in records}
        assert [row["key"] for row in rows(settings, Table.SILVER_REJECTED)] == [b"4"]

    check(161, [])
    assert trends_agree(settings, postgres_url, log) == 160
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    later = ("5", event_json(1005, user_id='"5"', event_time=f'"{now}"').encode())
    # All that is read again is of the erased: offsets go on all the same.
    produce(settings, Topic.EVENTS, [record for record in [*file, *wrong] if record[0] in {"3", "o'hara"}])
    produce(settings, Topic.EVENTS, [*file, *wrong, later])
    produce(settings, Topic.USERS, [*said, ("6", b'{"user_id":"6"}')])
    until("books after a replay", lambda: books(postgres_url) == (323, 161, 1, 161), log)
    check(323, [1005])
    until("users after a replay", lambda: counted(postgres_url, Table.SILVER_USERS) == 3, log)
    assert {row["user_id"] for row in rows(settings, Table.SILVER_USERS)} == {"4", "5", "6"}

    driver.end(signal.SIGKILL)
    with psycopg.connect(postgres_url, connect_timeout=5) as connection:
        connection.execute("DELETE FROM analytics.erasures")
    produce(settings, Topic.EVENTS, [*file, *wrong])
    driver.start()
    until("books after SIGKILL", lambda: books(postgres_url) == (484, 161, 1, 322), log)
    check(484, [1005])
    assert erased(postgres_url) == {"forget 3", "forget o'hara", "events of 5"}
    assert trends_agree(settings, postgres_url, log) == 161
