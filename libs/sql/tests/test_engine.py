"""SQL over Delta tables: right answers, and nothing but answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from saran.core.errors import SaranError
from saran.core.names import Table
from saran.core.settings import Settings
from saran.sql.answer import Limits
from saran.sql.engine import Engine
from saran.sql.saved import BUNDLED, save, saved

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A lakehouse whose silver.events has 1,000 events of 10 users, in two versions; silver.items has one item."""
    made = Settings(home=tmp_path)
    for part in range(2):
        rows = pa.table(
            {
                "user_id": [f"u{number % 10}" for number in range(500)],
                "item_id": ["i1"] * 500,
                "action": ["view"] * 500,
                "event_time": pa.array([NOON] * 500, pa.timestamp("us", "UTC")),
                "number": list(range(500 * part, 500 * part + 500)),
            }
        )
        write_deltalake(made.table_path(Table.SILVER_EVENTS), rows, mode="append")
    facts = pa.array([[("colour", "red")]], pa.map_(pa.string(), pa.string()))
    items = pa.table({"item_id": ["i1"], "title": ["Heat"], "attributes": facts, "key": [b"\xffk"]})
    write_deltalake(made.table_path(Table.SILVER_ITEMS), items)
    return made


def test_an_answer_is_of_named_versions(settings: Settings) -> None:
    answer = Engine(settings).ask(
        "SELECT user_id, sum(number) AS n FROM silver.events GROUP BY 1 ORDER BY n DESC LIMIT 2;"
    )
    assert answer.rows() == [{"user_id": "u9", "n": 50_400}, {"user_id": "u8", "n": 50_300}]
    assert answer.versions == {"silver.events": 1, "silver.items": 0}
    assert not answer.more


def test_values_are_those_that_json_has(settings: Settings) -> None:
    statement = (
        "SELECT max(event_time) AS at, max(event_time)::date AS day, 1.25::decimal(9, 2) AS price, "
        "'nan'::double AS n, any_value(attributes) AS facts, any_value(key) AS key "
        "FROM silver.events e JOIN silver.items i ON i.item_id = e.item_id -- to the end"
    )
    answer = Engine(settings).ask(statement)
    (row,) = answer.rows()
    assert row == {
        "at": "2026-05-04T12:00:00+00:00", "day": "2026-05-04", "price": 1.25, "n": None,
        "facts": [["colour", "red"]], "key": "\\xffk",
    }  # fmt: skip
    json.dumps(row, allow_nan=False)
    assert answer.table.column("price").to_pylist() == [Decimal("1.25")]


def test_no_more_rows_than_the_limit(settings: Settings) -> None:
    engine = Engine(settings, Limits(rows=10))
    answer = engine.ask("FROM silver.events ORDER BY number DESC")
    assert [row["number"] for row in answer.rows()] == list(range(999, 989, -1))
    assert answer.more
    assert not engine.ask("FROM silver.events WHERE number < 10").more


def test_tables_are_described(settings: Settings) -> None:
    described = Engine(settings).ask("DESCRIBE silver.events").rows()
    assert [row["column_name"] for row in described] == ["user_id", "item_id", "action", "event_time", "number"]
    assert [row["table"] for row in Engine(settings).ask(BUNDLED["tables"]).rows()] == ["silver.events", "silver.items"]


secret = pa.table({"secret": ["of this process"]})


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('https://example.com/x.parquet')",
        "SELECT * FROM secret",
        "SELECT * FROM delta_scan('/tmp')",
        "COPY (SELECT 1) TO '{out}'",
        "EXPORT DATABASE '{out}'",
        "ATTACH '{out}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '100GB'",
        "RESET enable_external_access",
        "PRAGMA database_list",
        "CREATE TABLE t AS SELECT 1",
        "INSERT INTO silver.events SELECT 1",
        "DROP VIEW silver.events",
        "SELECT 1; SELECT 2",
        "SELECT 1) UNION ALL (COPY (SELECT 1) TO '{out}'",
        "",
        "SELECT * FROM silver.nothing",
        "SELEC 1",
    ],
)
def test_what_is_no_question_to_the_tables_is_refused(settings: Settings, tmp_path: Path, statement: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(SaranError):
        Engine(settings).ask(statement.replace("{out}", str(out)))
    assert not out.exists()
    assert Engine(settings).ask("SELECT count(*) AS n FROM silver.events").rows() == [{"n": 1000}]


def test_it_ends_in_time(settings: Settings) -> None:
    engine = Engine(settings, Limits(seconds=0.2))
    with pytest.raises(SaranError, match=r"more than 0\.2 s"):
        engine.ask("SELECT count(*) FROM range(10000000000) a, range(1000) b WHERE a.range % 7 = b.range")


def test_it_stays_in_its_memory(settings: Settings) -> None:
    engine = Engine(settings, Limits(memory_mb=100))
    with pytest.raises(SaranError, match="more than 100 MiB"):
        engine.ask("SELECT list(repeat('x', 10000) || range) FROM range(100000)")


def test_a_lakehouse_without_tables(tmp_path: Path) -> None:
    engine = Engine(Settings(home=tmp_path))
    assert engine.ask("VALUES (1)").versions == {}
    with pytest.raises(SaranError, match="does not exist"):
        engine.ask("FROM silver.events")


def test_bundled_questions_are_right(settings: Settings) -> None:
    engine = Engine(settings)
    assert engine.ask(BUNDLED["events-by-day"]).table.column("events").to_pylist() == [1000]
    assert engine.ask(BUNDLED["most-used-items"]).rows() == [
        {"item_id": "i1", "title": "Heat", "events": 1000, "users": 10}
    ]
    assert engine.ask(BUNDLED["most-active-users"]).table.column("events").to_pylist() == [100] * 10


def test_questions_are_saved_by_name(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert saved(settings) == BUNDLED
    save(settings, "mine", "SELECT 1  ")
    save(settings, "tables", "SHOW TABLES")
    assert list(saved(settings).items())[:2] == [("mine", "SELECT 1\n"), ("tables", "SHOW TABLES\n")]
    assert len(saved(settings)) == len(BUNDLED) + 1
    for wrong in ("../x", "", "A", "a" * 65):
        with pytest.raises(SaranError, match="no name"):
            save(settings, wrong, "SELECT 1")
