"""Gold tables of trends: values by hand, and the stream against the recompute to the last digit."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from saran.core.names import Table
from saran.core.settings import Settings
from saran.spark.lake_schemas import SILVER_EVENTS, SILVER_ITEMS
from saran.spark.outcomes import TableCount
from saran.spark.stream_metrics import StreamMetrics
from saran.spark.trends import compute, tables
from saran.spark.trends.schemas import KEYS, SCHEMAS
from saran.spark.trends.tables import TrendsStream, recompute
from saran.spark.trends.thread import TrendsThread

MAY_1, MAY_2 = "2026-05-01", "2026-05-02"
Happening = tuple[str, str, str, str, float | None]
EVENTS: list[list[Happening]] = [  # in the order in which they come: late ones, and a purchase before its view
    [(f"{MAY_2}T00:10", "ann", "lamp", "purchase", 10.0), (f"{MAY_1}T10:00", "bob", "lamp", "view", None)],
    [(f"{MAY_1}T10:05", "bob", "lamp", "add_to_cart", None), (f"{MAY_1}T10:05", "bob", "sofa", "view", None)],
    [(f"{MAY_1}T23:50", "ann", "lamp", "view", None), (f"{MAY_1}T10:20", "bob", "lamp", "purchase", None)],
    [(f"{MAY_1}T10:00", "cid", "lamp", "view", None), (f"{MAY_1}T11:00", "cid", "lamp", "click", None)],
    [(f"{MAY_2}T00:20", "ann", "lamp", "add_to_cart", None)],  # changes the day before it
]
ITEMS = [("lamp", ["Home", "Light"], 19.99), ("sofa", ["Home"], 300.0)]


def add(settings: Settings, events: list[Happening]) -> None:
    """A version of silver.events, as ingest would append it."""
    rows = [
        {
            "event_id": f"{time}{user}{item}{action}",
            "event_time": datetime.fromisoformat(time).replace(tzinfo=UTC),
            "user_id": user,
            "item_id": item,
            "action": action,
            "value": value,
            "source": "test",
            "ingested_at": datetime(2026, 5, 3, tzinfo=UTC),
            "kafka_partition": 0,
            "kafka_offset": 0,
        }
        for time, user, item, action, value in events
    ]
    _write(settings, Table.SILVER_EVENTS, rows, SILVER_EVENTS, "append")


def catalogue(settings: Settings, items: list[tuple[str, list[str], float]]) -> None:
    """A version of silver.items."""
    rows = [
        {
            "item_id": item,
            "categories": categories,
            "price": price,
            "ingested_at": datetime(2026, 5, 3, tzinfo=UTC),
            "kafka_partition": 0,
            "kafka_offset": 0,
        }
        for item, categories, price in items
    ]
    _write(settings, Table.SILVER_ITEMS, rows, SILVER_ITEMS, "overwrite")


def _write(settings: Settings, table: str, rows: list[dict[str, Any]], schema: pa.Schema, mode: Any) -> None:
    write_deltalake(settings.table_path(table), pa.Table.from_pylist(rows, schema=schema), mode=mode)


def gold(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """All rows of the tables, in one order."""
    made = {}
    for name in SCHEMAS:
        rows = DeltaTable(str(settings.table_path(name))).to_pyarrow_table()
        made[name] = rows.sort_by([(key, "ascending") for key in KEYS[name]]).to_pylist()
    return made


def test_values_by_hand_and_the_stream_agrees_with_the_recompute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of order, in batches, with restarts and a catalogue that comes and changes between."""
    streamed, batch = Settings(home=tmp_path / "streamed"), Settings(home=tmp_path / "batch")
    stream = TrendsStream(streamed)
    for number, events in enumerate(EVENTS):
        add(streamed, events)
        assert stream() == number, "gold is of the newest version of silver"
        if number == 1:
            catalogue(streamed, [("lamp", ["Lamps"], 5.0), *ITEMS[1:]])
            stream = TrendsStream(streamed)  # a restart, and what it finds differs from what was made
            stream()
        if number == 3:
            catalogue(streamed, ITEMS)
            stream()
    add(batch, [event for events in EVENTS for event in events])
    catalogue(batch, ITEMS)
    monkeypatch.setattr(compute, "_CHUNK_ROWS", 1)  # a day at a time
    recompute(batch)
    recompute(batch)
    made = gold(streamed)
    assert made == gold(batch)

    lamps = [row for row in made[Table.GOLD_ITEM_TRENDS] if row["key"] == "lamp" and row["grain"] == "day"]
    counted = ("views", "clicks", "carts", "purchases", "revenue_cents")
    assert [tuple(row[name] for name in counted) for row in lamps] == [(3, 1, 1, 1, 1999), (0, 0, 1, 1, 1000)], (
        "bob paid the price of the catalogue, ann what her event says"
    )
    home = [row for row in made[Table.GOLD_ITEM_TRENDS] if row["key"] == "Home" and row["window_start"].hour == 10]
    assert [(row["grain"], row["views"], row["revenue_cents"]) for row in home] == [("hour", 3, 1999)]

    steps = ("viewed", "clicked", "carted", "purchased", "cart_ms", "purchase_ms")
    funnel = {
        (row["scope"], row["category"], row["window_start"].hour): tuple(row[name] for name in steps)
        for row in made[Table.GOLD_FUNNEL_HOURLY]
    }
    assert funnel == {
        ("item", "", 10): (3, 1, 1, 1, 300_000, 1_200_000),
        ("item", "", 23): (1, 0, 1, 1, 1_800_000, 1_200_000),  # bought after midnight
        ("item", "Home", 10): (3, 1, 1, 1, 300_000, 1_200_000),
        ("item", "Home", 23): (1, 0, 1, 1, 1_800_000, 1_200_000),
        ("item", "Light", 10): (2, 1, 1, 1, 300_000, 1_200_000),
        ("item", "Light", 23): (1, 0, 1, 1, 1_800_000, 1_200_000),
        # cid clicked an hour later, in a session of its own; ann's session ended with the day
        ("session", "", 10): (2, 0, 1, 1, 300_000, 1_200_000),
        ("session", "", 23): (1, 0, 0, 0, 0, 0),
    }
    activity = {
        (row["weekday"], row["hour"]): (row["events"], row["users"], row["sessions"])
        for row in made[Table.GOLD_ACTIVITY_HEATMAP]
    }
    assert activity == {(5, 10): (5, 2, 2), (5, 11): (1, 1, 1), (5, 23): (1, 1, 1), (6, 0): (2, 1, 1)}


def test_a_batch_cut_off_between_two_tables_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    catalogue(settings, ITEMS)
    add(settings, EVENTS[0])
    TrendsStream(settings)()
    add(settings, EVENTS[1])
    written: list[str] = []
    replace = tables._replace

    def dies(settings: Settings, name: str, *rest: Any) -> None:
        if written:
            raise OSError("killed")
        written.append(name)
        replace(settings, name, *rest)

    monkeypatch.setattr(tables, "_replace", dies)
    with pytest.raises(OSError, match="killed"):
        TrendsStream(settings)()
    monkeypatch.setattr(tables, "_replace", replace)
    assert TrendsStream(settings)() == 1
    restarted = gold(settings)
    recompute(settings)
    assert restarted == gold(settings)


def test_only_the_days_that_changed_are_written(tmp_path: Path) -> None:
    """A file of a day that no event touches stays as it is."""
    settings = Settings(home=tmp_path)
    add(settings, [("2026-04-01T10:00", "ann", "lamp", "view", None)])
    stream = TrendsStream(settings)
    stream()
    table = str(settings.table_path(Table.GOLD_ITEM_TRENDS))
    before = set(DeltaTable(table).file_uris())
    add(settings, EVENTS[1])
    stream()
    version = DeltaTable(table).version()
    assert before < set(DeltaTable(table).file_uris())
    stream()
    assert DeltaTable(table).version() == version, "without news nothing is written"


def test_an_amount_that_no_price_can_be_is_unknown(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    add(settings, [(f"{MAY_1}T10:00", user, "lamp", "purchase", value) for user, value in (("a", 1e300), ("b", 2.5))])
    TrendsStream(settings)()
    rows = gold(settings)[Table.GOLD_ITEM_TRENDS]
    assert {(row["purchases"], row["revenue_cents"], row["priced"]) for row in rows} == {(2, 250, 1)}


def test_a_failing_batch_is_seen_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    add(settings, EVENTS[0])
    metrics = StreamMetrics()
    thread = TrendsThread(settings, metrics)
    thread._batch(0.0)
    add(settings, EVENTS[1])
    thread.tell((TableCount(Table.SILVER_EVENTS, 4, 1),))
    with monkeypatch.context() as patched:
        patched.setattr(tables, "_replace", lambda *_: 1 / 0)
        thread._batch(0.0)
    value = metrics.registry.get_sample_value
    assert value("saran_trends_failing") == 1
    assert value("saran_trends_failed_batches_total") == 1
    assert value("saran_trends_versions_behind") == 1
    thread._batch(0.0)
    assert value("saran_trends_failing") == 0
    assert value("saran_trends_versions_behind") == 0
