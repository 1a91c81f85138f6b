"""The ledger: what was sent is in silver once, whatever dies on the way and however often the file is sent.

The whole platform runs under its own supervisor. While a file is loaded, the broker, the Spark driver and the online
worker are killed with SIGKILL at random moments; then the file is sent again from its beginning.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from saran.core.datasets import load_spec, open_dataset
from saran.core.names import Table
from saran.core.settings import Settings
from tests.platform import PATIENCE, Platform, wait
from tests.servers import free_offset

pytestmark = [pytest.mark.platform, pytest.mark.spark, pytest.mark.timeout(600)]

PARTS: Final = ("kafka", "postgres", "streams", "worker")
ROWS: Final = 20_000
USERS: Final = 200
SEED: Final = 20261122


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    made = Platform(Settings(home=tmp_path / "home", port_offset=free_offset(), dataset="retailrocket"))
    try:
        made.saran("up", "--detach", "--only", ",".join(PARTS))
        yield made
    finally:
        made.saran("down")


def test_every_event_once_through_kills_and_a_replay(platform: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    write_file(folder)
    good, wrong = expected(folder, platform.settings)
    assert (len(good), len(wrong)) == (ROWS - ROWS // 100, ROWS // 100)

    chance = random.Random(SEED)
    loading = platform.load("--path", str(folder), "--rate", "800", "--patience", "120")
    for part in ("streams", "kafka", "worker", "streams", "worker"):
        time.sleep(chance.uniform(0.5, 3.0))
        platform.kill(part)
    _, complaint = loading.communicate(timeout=PATIENCE)
    assert loading.returncode == 0, complaint
    check(platform, good, wrong)
    assert all(platform.restarts(part) >= 1 for part in ("streams", "kafka", "worker"))

    replay = platform.load("--path", str(folder))
    _, complaint = replay.communicate(timeout=PATIENCE)
    assert replay.returncode == 0, complaint
    assert platform.records() == 2 * ROWS
    check(platform, good, wrong)


def check(platform: Platform, good: dict[str, tuple[str, str]], wrong: dict[str, str]) -> None:
    """Wait until all that Kafka holds is in bronze, then hold silver, rejected and the histories against the file."""
    sent = platform.records()
    wait(f"{sent} records in bronze", lambda: platform.count(Table.BRONZE_EVENTS) == sent)
    wait(f"{len(good)} events in silver", lambda: platform.count(Table.SILVER_EVENTS) >= len(good))
    places = [(row["partition"], row["offset"]) for row in platform.rows(Table.BRONZE_EVENTS, "partition", "offset")]
    assert len(places) == len(set(places)) == sent

    silver = platform.rows(Table.SILVER_EVENTS, "event_id", "user_id", "item_id")
    assert len(silver) == len(good)
    assert {row["event_id"]: (row["user_id"], row["item_id"]) for row in silver} == good
    rejected = platform.rows(Table.SILVER_REJECTED, "event_id", "reason", "topic")
    of_events = [row for row in rejected if row["topic"] == platform.settings.events_topic]
    assert len(of_events) == len(wrong)
    assert {row["event_id"]: row["reason"] for row in of_events} == wrong

    wanted = {user: Counter(item for u, item in good.values() if u == user) for user, _ in good.values()}
    wait("the histories", lambda: histories(platform.settings.postgres_url) == wanted)


def histories(url: str) -> dict[str, Counter[str]]:
    with psycopg.connect(url, connect_timeout=10) as connection:
        rows = connection.execute("SELECT user_id, item_ids FROM online.user_history").fetchall()
    return {user: Counter(items) for user, items in rows}


def write_file(folder: Path) -> None:
    """Rows of the Retail Rocket system's file; one in a hundred is wrong, in four ways."""
    chance = random.Random(SEED)
    faults: tuple[Callable[[str, str, str], str], ...] = (
        lambda moment, user, item: f"yesterday,{user},view,{item},",
        lambda moment, user, item: f"{moment},{user},teleport,{item},",
        lambda moment, user, item: f"{moment},,view,{item},",
        lambda moment, user, item: f"{moment},{user},view,{item},,extra",
    )
    lines = ["timestamp,visitorid,event,itemid,transactionid"]
    for row in range(ROWS):
        moment, user, item = str(1_433_221_332_117 + row * 1000), str(row % USERS), str(chance.randrange(500))
        wrong = row % 100 == 50
        lines.append(faults[row // 100 % len(faults)](moment, user, item) if wrong else f"{moment},{user},view,{item},")
    folder.mkdir()
    (folder / "events.csv").write_text("\n".join(lines) + "\n")


def expected(folder: Path, settings: Settings) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """What the file says: event_id → (user, item), and event_id → reason."""
    dataset = open_dataset(load_spec("retailrocket", settings), settings, data=folder)
    good: dict[str, tuple[str, str]] = {}
    wrong: dict[str, str] = {}
    for block in dataset.read_events():
        good.update({e: (u, i) for e, u, i in block.events.select("event_id", "user_id", "item_id").iter_rows()})
        wrong.update(dict(block.rejected.select("event_id", "reason").iter_rows()))
    return good, wrong
