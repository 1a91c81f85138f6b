"""The newest record of an item counts, once, and what is no item is rejected with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from apps.spark.tests.ingest_bench import Bench
from apps.spark.tests.ingest_records import kafka_records
from pyspark.sql import SparkSession

from saran.core.entities import ITEM_ARROW
from saran.core.names import Table, Topic
from saran.spark.owned_table import OwnedTable

pytestmark = pytest.mark.spark


@pytest.fixture
def bench(spark: SparkSession, tmp_path: Path) -> Bench:
    return Bench(spark, tmp_path)


def catalogue(*records: tuple[str, dict[str, Any] | bytes | None], first: int = 0) -> pa.Table:
    """Records (key, item without its id, or raw bytes, or None for a tombstone) at offsets `first`, …"""
    values = [
        json.dumps({"item_id": key, **value}).encode() if isinstance(value, dict) else value for key, value in records
    ]
    table = kafka_records(values, [key.encode() for key, _ in records], topic=Topic.CATALOG)
    offsets = pa.array(range(first, first + len(records)), pa.int64())
    return table.set_column(table.schema.get_field_index("offset"), "offset", offsets)


def items(bench: Bench) -> dict[str, dict[str, Any]]:
    rows = bench.rows(Table.SILVER_ITEMS)
    found = {row["item_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_the_newest_record_of_an_item_counts(bench: Bench) -> None:
    ingest = bench.catalog()
    ingest(bench.frame(catalogue(("1", {"title": "old"}), ("2", {"title": "two"}), ("1", {"title": "new"}))), 0)
    assert {key: row["title"] for key, row in items(bench).items()} == {"1": "new", "2": "two"}
    ingest(bench.frame(catalogue(("2", {"title": "later"}), ("3", {"title": "three"}), first=3)), 1)
    assert {key: row["title"] for key, row in items(bench).items()} == {"1": "new", "2": "later", "3": "three"}
    assert ingest.silver.rows == 3


def test_every_field_of_an_item_arrives(bench: Bench) -> None:
    item = {
        "title": "Tea",
        "description": "Green",
        "categories": ["drink", "leaf"],
        "price": 2.5,
        "rating_count": 7,
        "attributes": {"colour": "green"},
    }
    bench.catalog()(bench.frame(catalogue(("1", item))), 0)
    row = items(bench)["1"]
    assert {name: row[name] for name in ("title", "description", "categories", "price", "rating_count")} == {
        name: value for name, value in item.items() if name != "attributes"
    }
    assert dict(row["attributes"]) == {"colour": "green"}
    assert row["is_available"] is True
    assert list(row)[: len(ITEM_ARROW)] == ITEM_ARROW.names


def test_a_tombstone_makes_a_known_item_unavailable_and_changes_nothing_else(bench: Bench) -> None:
    ingest = bench.catalog()
    ingest(bench.frame(catalogue(("1", {"title": "one", "price": 3.0}), ("2", {"title": "two"}))), 0)
    ingest(bench.frame(catalogue(("1", None), ("unknown", None), first=2)), 1)
    rows = items(bench)
    assert set(rows) == {"1", "2"}
    assert (rows["1"]["title"], rows["1"]["price"], rows["1"]["is_available"]) == ("one", 3.0, False)
    assert rows["2"]["is_available"] is True
    ingest(bench.frame(catalogue(("1", {"title": "back"}), first=4)), 2)
    assert (items(bench)["1"]["title"], items(bench)["1"]["is_available"]) == ("back", True)


def test_a_batch_of_nothing_new_still_moves_on(bench: Bench) -> None:
    ingest = bench.catalog()
    ingest(bench.frame(catalogue(("unknown", None), ("x", b"no json"))), 0)
    assert ingest.next_offsets() == {0: 2}
    assert items(bench) == {}
    assert [(row["topic"], row["offset"]) for row in bench.rows(Table.SILVER_REJECTED)] == [("catalog", 1)]


def test_wrong_items_are_rejected_with_every_reason(bench: Bench) -> None:
    wrong = {"price": -1, "rating": "high"}
    bench.catalog()(bench.frame(catalogue(("1", wrong), ("2", {"title": "two"}))), 0)
    assert set(items(bench)) == {"2"}
    reasons = bench.rows(Table.SILVER_REJECTED)[0]["reason"].split("; ")
    assert [reason.split(":")[0] for reason in reasons] == ["price", "rating"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_around_silvers_commit_is_harmless(bench: Bench, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    first = catalogue(("1", {"title": "one"}), ("2", {"title": "two"}))
    second = catalogue(("1", {"title": "changed"}), ("bad", b"?"), ("3", {"title": "three"}), first=2)
    bench.catalog()(bench.frame(first), 0)
    ingest = bench.catalog()
    original = OwnedTable.upsert

    def dying(self: OwnedTable, *arguments: Any) -> None:
        if when == "after":
            original(self, *arguments)
        raise RuntimeError("died")

    with monkeypatch.context() as patch:
        patch.setattr(OwnedTable, "upsert", dying)
        with pytest.raises(RuntimeError, match="died"):
            ingest(bench.frame(second), 1)
    bench.catalog()(bench.frame(second), 0)
    assert {key: row["title"] for key, row in items(bench).items()} == {"1": "changed", "2": "two", "3": "three"}
    assert bench.offsets(Table.BRONZE_CATALOG) == [("catalog", 0, offset) for offset in range(5)]
    assert len(bench.rows(Table.SILVER_REJECTED)) == 1
