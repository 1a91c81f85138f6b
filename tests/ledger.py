"""The ledger of an events file: what it says must be in the tables, each event once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg

from saran.core.datasets import load_spec, open_dataset
from saran.core.names import Table
from saran.core.settings import Settings
from tests.platform import Platform, wait

SEED: Final = 20261122
_USERS: Final = 200


def check(
    platform: Platform, good: dict[str, tuple[str, str]], wrong: dict[str, str], *, of_lost_topic: int = 0
) -> None:
    """Wait until all that Kafka holds is in bronze, then hold silver, rejected and the histories against the file.

    `of_lost_topic` are the records that bronze has of a topic that Kafka has no more.
    """
    sent = platform.records() + of_lost_topic
    wait(f"{sent} records in bronze", lambda: platform.count(Table.BRONZE_EVENTS) == sent)
    wait(f"{len(good)} events in silver", lambda: platform.count(Table.SILVER_EVENTS) >= len(good))
    places = [(row["partition"], row["offset"]) for row in platform.rows(Table.BRONZE_EVENTS, "partition", "offset")]
    assert len(places) == sent
    assert of_lost_topic or len(set(places)) == sent

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


def write_file(folder: Path, rows: int) -> None:
    """Rows of the Retail Rocket system's file; one in a hundred is wrong, in four ways."""
    chance = random.Random(SEED)
    faults: tuple[Callable[[str, str, str], str], ...] = (
        lambda moment, user, item: f"yesterday,{user},view,{item},",
        lambda moment, user, item: f"{moment},{user},teleport,{item},",
        lambda moment, user, item: f"{moment},,view,{item},",
        lambda moment, user, item: f"{moment},{user},view,{item},,extra",
    )
    lines = ["timestamp,visitorid,event,itemid,transactionid"]
    for row in range(rows):
        moment, user, item = str(1_433_221_332_117 + row * 1000), str(row % _USERS), str(chance.randrange(500))
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
