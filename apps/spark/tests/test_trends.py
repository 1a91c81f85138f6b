"""Gold tables of trends: values by hand, and the stream against the recompute to the last digit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from psycopg.rows import dict_row
from pydantic import SecretStr
from typer.testing import CliRunner

from saran.core.errors import SaranError
from saran.core.names import Table
from saran.core.s3 import S3, delta_options
from saran.core.settings import Settings
from saran.spark.commands import app
from saran.spark.lake_schemas import SILVER_EVENTS, SILVER_ITEMS
from saran.spark.outcomes import TableCount
from saran.spark.stream_metrics import StreamMetrics
from saran.spark.trends import compute, tables
from saran.spark.trends.schemas import KEYS, SCHEMAS
from saran.spark.trends.tables import TrendsStream, recompute
from saran.spark.trends.thread import TrendsThread

pytestmark = pytest.mark.postgres

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
    folder = settings.table_folder(table)
    made = pa.Table.from_pylist(rows, schema=schema)
    write_deltalake(str(folder), made, mode=mode, storage_options=delta_options(folder))


def gold(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """All rows of the tables, in one order."""
    made = {}
    for name in SCHEMAS:
        folder = settings.table_folder(name)
        rows = DeltaTable(str(folder), storage_options=delta_options(folder)).to_pyarrow_table()
        made[name] = rows.sort_by([(key, "ascending") for key in KEYS[name]]).to_pylist()
    return made


@pytest.fixture
def settings(tmp_path: Path, postgres_url: str) -> Settings:
    """A home of the test's own with a database."""
    return Settings(home=tmp_path / "home", database_url=SecretStr(postgres_url))


def copied(database: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of PostgreSQL's copies, in the order of `gold`."""
    with psycopg.connect(database, connect_timeout=5, row_factory=dict_row) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        return {
            name: sorted(
                connection.execute(f"SELECT * FROM analytics.{name.removeprefix('gold.')}").fetchall(),  # noqa: S608
                key=lambda row: tuple(row[key] for key in KEYS[name]),
            )
            for name in SCHEMAS
        }


def state(database: str) -> dict[str, Any] | None:
    """What the copies are of, and the figures of that moment."""
    with psycopg.connect(database, connect_timeout=5, row_factory=dict_row) as connection:
        return connection.execute("SELECT * FROM analytics.trends").fetchone()


def test_values_by_hand_and_the_stream_agrees_with_the_recompute(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of order, in batches, with restarts and a catalogue that comes and changes between."""
    streamed, batch = settings, Settings(home=tmp_path / "batch")
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
    assert made == gold(batch) == copied(streamed.postgres_url)

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
    assert [tuple(map(str, row.values())) for row in made[Table.GOLD_RETENTION]] == [
        ("day", MAY_1, "0", "3"),
        ("day", MAY_1, "1", "1"),  # ann, whose purchase of the second day came before anything of the first
        ("month", MAY_1, "0", "3"),
        ("week", "2026-04-27", "0", "3"),
    ]


@pytest.mark.s3
def test_tables_in_an_object_store(settings: Settings, s3: S3) -> None:
    stored = settings.model_copy(update={"storage": "s3://", "s3": s3})
    catalogue(stored, ITEMS)
    stream = TrendsStream(stored)
    for events in EVENTS:
        add(stored, events)
        stream()
    made = gold(stored)
    recompute(stored)
    assert made == gold(stored) == copied(stored.postgres_url)
    assert sum(row["events"] for row in made[Table.GOLD_ACTIVITY_HEATMAP]) == sum(map(len, EVENTS))


def test_a_batch_cut_off_between_two_tables_is_made_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_only_the_days_that_changed_are_written(settings: Settings) -> None:
    """A file of a day that no event touches stays as it is."""
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


def test_an_amount_that_no_price_can_be_is_unknown(settings: Settings) -> None:
    add(settings, [(f"{MAY_1}T10:00", user, "lamp", "purchase", value) for user, value in (("a", 1e300), ("b", 2.5))])
    TrendsStream(settings)()
    rows = gold(settings)[Table.GOLD_ITEM_TRENDS]
    assert {(row["purchases"], row["revenue_cents"], row["priced"]) for row in rows} == {(2, 250, 1)}


def test_a_failing_batch_is_seen_and_tried_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_figures_of_the_newest_moment(settings: Settings) -> None:
    """Users of a day, a week, a month and ever; sessions of the last half hour; events of the last five minutes."""
    at = {"a": "2026-03-01T10:00", "b": "2026-04-02T10:00", "c": "2026-04-25T10:00", "d": "2026-05-01T23:58"}
    add(settings, [(time, user, "lamp", "view", None) for user, time in at.items()])
    add(settings, [(f"{MAY_2}T00:{minute:02}", "d", "lamp", "view", None) for minute in (0, 1, 40)])
    add(settings, [(f"{MAY_2}T00:42", user, "lamp", "view", None) for user in ("e", "f")])
    stream = TrendsStream(settings)
    stream()
    found = state(settings.postgres_url)
    assert found is not None
    assert found["as_of"] == datetime(2026, 5, 2, 0, 42, tzinfo=UTC)
    figures = ("users", "users_day", "users_week", "users_month", "active_sessions", "recent_events")
    assert tuple(found[name] for name in figures) == (6, 3, 3, 4, 3, 3)


def test_copies_keep_single_items_for_a_while_and_take_them_back(settings: Settings) -> None:
    """Hours of three days and days of 60, up to the newest event, also after that is erased."""
    days = ["2026-02-01", "2026-03-20", "2026-04-28", "2026-04-29"]
    add(settings, [(f"{day}T10:00", "ann", "lamp", "view", None) for day in days])
    stream = TrendsStream(settings)

    def kept() -> dict[str, list[str]]:
        rows = copied(settings.postgres_url)[Table.GOLD_ITEM_TRENDS]
        return {
            grain: [str(row["day"]) for row in rows if (row["kind"], row["grain"]) == ("item", grain)]
            for grain in ("hour", "day")
        }

    stream()
    assert kept() == {"hour": days[2:], "day": days[1:]}
    add(settings, [("2026-05-20T10:00", "bob", "lamp", "view", None)])
    stream()
    assert kept() == {"hour": ["2026-05-20"], "day": [*days[2:], "2026-05-20"]}
    DeltaTable(settings.table_path(Table.SILVER_EVENTS)).delete("user_id = 'bob'")
    stream()
    assert kept() == {"hour": days[2:], "day": days[1:]}
    everything = copied(settings.postgres_url)[Table.GOLD_ITEM_TRENDS]
    assert [str(row["day"]) for row in everything if (row["kind"], row["grain"]) == ("all", "day")] == days


def test_a_table_without_events_has_no_figures(settings: Settings) -> None:
    add(settings, EVENTS[0])
    stream = TrendsStream(settings)
    stream()
    DeltaTable(settings.table_path(Table.SILVER_EVENTS)).delete()
    stream()
    assert state(settings.postgres_url) is None
    assert not any(copied(settings.postgres_url).values())
    assert not any(gold(settings).values())


def test_the_command_makes_lost_rows_again_and_says_what_is_away(settings: Settings) -> None:
    add(settings, EVENTS[0])
    TrendsStream(settings)()
    before = gold(settings)
    DeltaTable(settings.table_path(Table.GOLD_ITEM_TRENDS)).delete()
    with psycopg.connect(settings.postgres_url, connect_timeout=5) as connection:
        connection.execute("DELETE FROM analytics.funnel_hourly")
    environment = {"SARAN_HOME": str(settings.home), "SARAN_DATABASE_URL": settings.postgres_url}
    answer = CliRunner().invoke(app, ["trends", "recompute", "--json"], env=environment)
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.output)["events"] == 0
    assert before == gold(settings) == copied(settings.postgres_url)
    environment["SARAN_DATABASE_URL"] = settings.postgres_url + "_away"
    answer = CliRunner().invoke(app, ["trends", "recompute"], env=environment)
    assert isinstance(answer.exception, SaranError)
    assert "PostgreSQL" in str(answer.exception)


def test_cohorts_over_the_ends_of_weeks_months_and_years(settings: Settings) -> None:
    """Weeks begin on Monday; a cohort is followed so long and no longer; an erased first visit makes another cohort."""
    came = {
        "ann": ["2025-12-28", "2025-12-29", "2026-02-01"],
        "bob": ["2025-12-29", "2026-01-05"],
        "cid": ["2026-01-01"],
    }
    add(settings, [(f"{day}T23:59", user, "lamp", "view", None) for user, days in came.items() for day in days])
    stream = TrendsStream(settings)
    stream()

    def cohorts(grain: str) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row in gold(settings)[Table.GOLD_RETENTION]:
            if row["grain"] == grain:
                assert row["later"] == len(found.setdefault(str(row["cohort"]), []))
                found[str(row["cohort"])].append(row["users"])
        return found

    assert cohorts("week") == {"2025-12-22": [1, 1, 0, 0, 0, 1], "2025-12-29": [2, 1, 0, 0, 0]}
    assert cohorts("month") == {"2025-12-01": [2, 1, 1], "2026-01-01": [1, 0]}
    days = cohorts("day")
    assert [len(users) for users in days.values()] == [31, 31, 31], "the 35th day of the first cohort is left out"
    assert [sum(users) for users in days.values()] == [2, 2, 1]
    DeltaTable(settings.table_path(Table.SILVER_EVENTS)).delete("event_time < '2025-12-29'")
    stream()
    assert cohorts("week") == {"2025-12-29": [3, 1, 0, 0, 1]}
    assert gold(settings)[Table.GOLD_RETENTION] == copied(settings.postgres_url)[Table.GOLD_RETENTION]


def test_a_category_with_a_nul_is_copied(settings: Settings) -> None:
    catalogue(settings, [("lamp", ["a\0b", 'c"d,'], 1.0)])
    add(settings, EVENTS[0])
    TrendsStream(settings)()
    rows = copied(settings.postgres_url)[Table.GOLD_ITEM_TRENDS]
    assert {row["key"] for row in rows if row["kind"] == "category"} == {"a\N{REPLACEMENT CHARACTER}b", 'c"d,'}
