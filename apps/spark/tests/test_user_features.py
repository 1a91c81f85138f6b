"""gold.user_features, with recency, frequency and monetary value by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from apps.spark.tests.test_trends import catalogue
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from saran.core.errors import SaranError
from saran.core.names import EXPOSURES, Table
from saran.core.settings import Settings
from saran.spark import training_command
from saran.spark.commands import app
from saran.spark.lake_schemas import SILVER_EVENTS
from saran.spark.trends.silver import ALL_DAYS, pin
from saran.spark.trends.tables import bring_up
from saran.spark.user_features import SCHEMA, make_features

pytestmark = pytest.mark.spark

AS_OF = datetime(2026, 5, 31, 12, tzinfo=UTC)
Bought = tuple[str, float, str, float | None, str | None]
BUYERS: list[Bought] = [  # user, days before AS_OF, item, amount, transaction
    ("ann", 30.5, "lamp", None, "t1"),  # 19.99 by the catalogue
    ("ann", 30.5, "sofa", 250.0, "t1"),  # the same order, at a lower price than the catalogue's
    ("ann", 1.2, "lamp", 10.004, "t2"),
    ("bob", 10, "lamp", None, None),
    ("bob", 9, "unknown", None, None),  # of no known amount
    ("cid", 1.9, "lamp", 5.0, "t3"),
    ("dan", 0, "sofa", None, "t4"),
    ("eve", 100, "lamp", 1e300, "t5"),  # no amount: the catalogue's counts
]


def event(number: int, user: str, days: float, item: str, action: str = "purchase", **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"{number}{user}{action}",
        "event_time": AS_OF - timedelta(days=days),
        "user_id": user,
        "item_id": item,
        "action": action,
        "source": "test",
        "ingested_at": AS_OF,
        "kafka_partition": 0,
        "kafka_offset": number,
        **more,
    }


def write(settings: Settings, rows: list[dict[str, Any]]) -> None:
    write_deltalake(settings.table_path(Table.SILVER_EVENTS), pa.Table.from_pylist(rows, SILVER_EVENTS), mode="append")


def table(settings: Settings) -> dict[str, dict[str, Any]]:
    rows = DeltaTable(settings.table_path(Table.GOLD_USER_FEATURES)).to_pyarrow_table().to_pylist()
    return {row["user_id"]: row for row in rows}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with what five users bought, and one only looked at."""
    made = Settings(home=tmp_path)
    catalogue(made, [("lamp", ["Home"], 19.99), ("sofa", ["Home"], 300.0)])
    rows = [
        event(number, user, days, item, value=amount, transaction_id=transaction)
        for number, (user, days, item, amount, transaction) in enumerate(BUYERS)
    ]
    looks = [event(20 + hour, "fay", hour / 24, "lamp", "view") for hour in range(14)]
    rest = [
        event(40, "fay", 2, "sofa", "click"),
        event(41, "fay", 2, "sofa", "add_to_cart"),
        event(42, "fay", 2, "sofa", "rate", value=5.0),
        event(43, "fay", 0, "sofa", "impression", source=EXPOSURES),
    ]
    write(made, [*rows, *looks, *rest])
    return made


def test_values_are_those_of_a_log_that_can_be_reckoned_by_hand(spark: SparkSession, settings: Settings) -> None:
    made = make_features(spark, settings)
    assert (made.as_of, made.events_version, made.users, made.buyers) == (AS_OF, 0, 6, 5)
    found = table(settings)
    rfm = {
        user: (row["recency_days"], row["frequency"], row["monetary_cents"], *(row[f"{name}_score"] for name in _RFM))
        for user, row in found.items()
    }
    assert rfm == {
        # 19.99 by the catalogue, 250.00 and 10.004 as said
        "ann": (1, 2, 1999 + 25000 + 1000, 3, 4, 4),
        "bob": (9, 2, 1999, 2, 4, 2),
        "cid": (1, 1, 500, 3, 1, 1),
        "dan": (0, 1, 30000, 5, 1, 5),
        "eve": (100, 1, 1999, 1, 1, 2),
        "fay": (None, 0, 0, None, None, None),
    }
    fay = found["fay"]
    # The last 14 hours began the day before; two days earlier was another day.
    assert {name: fay[name] for name in SCHEMA.names[1:11]} == {
        "events": 17,
        "views": 14,
        "clicks": 1,
        "carts": 1,
        "purchases": 0,
        "rates": 1,
        "items": 2,
        "active_days": 3,
        "first_event": AS_OF - timedelta(days=2),
        "last_event": AS_OF,
    }
    assert {row["as_of"] for row in found.values()} == {AS_OF}


_RFM = ("recency", "frequency", "monetary")


def test_events_after_the_instant_do_not_count_and_again_is_the_same(spark: SparkSession, settings: Settings) -> None:
    before = AS_OF - timedelta(days=5)
    assert make_features(spark, settings, before).users == 3
    first = table(settings)
    assert {user: (row["recency_days"], row["purchases"]) for user, row in first.items()} == {
        "ann": (25, 2),
        "bob": (4, 2),
        "eve": (95, 1),
    }
    make_features(spark, settings, before)
    assert table(settings) == first
    with pytest.raises(SaranError, match="no event up to 2016"):
        make_features(spark, settings, datetime(2016, 1, 1, tzinfo=UTC))


def test_amounts_are_those_of_trends_and_an_erased_user_is_gone_with_the_next_run(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    silver = pin(settings)
    assert silver is not None
    bring_up(settings, silver, ALL_DAYS)
    trends = DeltaTable(settings.table_path(Table.GOLD_ITEM_TRENDS)).to_pyarrow_table().to_pylist()
    revenue = sum(row["revenue_cents"] for row in trends if (row["kind"], row["grain"]) == ("all", "day"))
    make_features(spark, settings)
    assert sum(row["monetary_cents"] for row in table(settings).values()) == revenue

    DeltaTable(settings.table_path(Table.SILVER_EVENTS)).delete("user_id = 'dan'")
    monkeypatch.setenv("SARAN_HOME", str(settings.home))
    monkeypatch.setattr(training_command, "run", lambda _settings, _title, job, lock: job(spark, None))
    result = CliRunner().invoke(app, ["features", "--json", "--as-of", "2026-05-31T12:00Z"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"as_of": AS_OF.isoformat(), "events_version": 1, "users": 5, "buyers": 4}
    assert set(table(settings)) == {"ann", "bob", "cid", "eve", "fay"}
    wrong = CliRunner().invoke(app, ["features", "--as-of", "yesterday"])
    assert wrong.exit_code == 2
