"""Events reach bronze, silver and rejected exactly once, wherever the driver dies."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from apps.spark.tests.ingest_bench import EVENTS, Bench, counts
from apps.spark.tests.ingest_records import event_json, kafka_records
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from saran.core.entities import EVENT_ARROW
from saran.core.names import Table, Topic
from saran.spark import owned_table
from saran.spark.id_index import IdIndex
from saran.spark.ingest_events import EventIngest
from saran.spark.kafka_topics import TopicState
from saran.spark.owned_table import OwnedTable

pytestmark = pytest.mark.spark


class DiedError(Exception):
    """Stands for kill -9."""


@pytest.fixture
def bench(spark: SparkSession, tmp_path: Path) -> Bench:
    return Bench(spark, tmp_path)


def events(first: int, count: int) -> list[bytes | None]:
    return [event_json(number).encode() for number in range(first, first + count)]


def event_ids(first: int, count: int) -> list[str]:
    return [f"{number:032x}" for number in range(first, first + count)]


MIXED: list[bytes | None] = [
    *events(0, 40),
    *events(10, 5),
    b"not json",
    event_json(90, action='"buy"').encode(),
    b'{"event_id":"row-7","source":"f.csv","error":"row 7: no timestamp","raw":"a,b"}',
    None,
    *events(40, 10),
    b"not json",
]
"""50 ids, 5 of them twice; 4 different records that are wrong, one of them twice."""


def test_each_record_is_taken_once_or_rejected_with_its_reason(bench: Bench) -> None:
    ingest = bench.events()
    ingest(bench.frame(kafka_records(MIXED)), 0)

    assert bench.ids() == event_ids(0, 50)
    rejected = bench.rows(Table.SILVER_REJECTED)
    assert sorted((row["offset"], row["reason"].split(":")[0]) for row in rejected) == [
        (45, "Invalid JSON"),
        (46, "action"),
        (47, "row 7"),
        (48, "empty record"),
    ]
    assert {row["event_id"] for row in rejected} == {None, f"{90:032x}", "row-7"}
    assert [row["value"] for row in bench.letters] == MIXED[45:49]
    assert len(bench.offsets(Table.BRONZE_EVENTS)) == len(set(bench.offsets(Table.BRONZE_EVENTS))) == len(MIXED)

    told = bench.outcomes[-1]
    assert (told.input_rows, told.new_rows, told.duplicate_rows, told.rejected_rows) == (60, 50, 6, 4)
    assert {count.table: count.rows for count in told.tables} == {
        Table.BRONZE_EVENTS: 60,
        Table.SILVER_EVENTS: 50,
        Table.SILVER_REJECTED: 4,
    }
    assert told.next_offsets == {0: 60}


def books(ingest: EventIngest) -> tuple[int, int, int | None, int | None]:
    """Rows of bronze and silver, and what silver says of rejected and duplicates, as pages see them."""
    bronze, silver, _ = ingest.counts()
    return bronze.rows, silver.rows, silver.rejected_rows, silver.duplicate_rows


def test_the_books_of_events_hold_beside_a_catalogue_that_rejects(bench: Bench) -> None:
    catalogue = kafka_records([b"no item", b"neither"], topic=Topic.CATALOG)
    bench.catalog()(bench.frame(catalogue), 0)
    ingest = bench.events()
    assert books(ingest) == (0, 0, 0, 0)
    ingest(bench.frame(kafka_records(MIXED)), 0)
    assert books(ingest) == books(bench.events()) == (60, 50, 4, 6)
    bronze, items, rejected = bench.catalog().counts()
    assert (bronze.rows, items.rejected_rows, items.duplicate_rows, rejected.rows) == (2, 2, None, 6)


def test_spark_reads_silver_with_the_entitys_columns_and_its_place_in_kafka(bench: Bench) -> None:
    bench.events()(bench.frame(kafka_records(MIXED)), 0)
    frame = bench.spark.read.format("delta").load(bench.settings.table_path(Table.SILVER_EVENTS))
    assert frame.columns[: len(EVENT_ARROW)] == EVENT_ARROW.names
    row = frame.where(F.col("event_id") == f"{49:032x}").collect()[0].asDict()
    assert row["event_time"] == datetime(2015, 6, 2, 5, 2, 12, 117_000)  # noqa: DTZ001 - the session's zone is UTC
    assert (row["user_id"], row["item_id"], row["action"], row["source"]) == ("9", "0", "view", "test")
    assert (row["value"], row["context"], row["batch"]) == (None, {"batch": "1"}, 1)
    assert (row["kafka_partition"], row["kafka_offset"]) == (0, 58)


def test_a_replay_changes_nothing_but_bronze(bench: Bench) -> None:
    ingest = bench.events()
    ingest(bench.frame(kafka_records(MIXED)), 0)
    replay = shifted(kafka_records(MIXED), 60)
    ingest(bench.frame(replay), 1)
    bench.events()(bench.frame(shifted(kafka_records(MIXED), 120)), 0)  # and by another process
    assert bench.ids() == event_ids(0, 50)
    assert len(bench.rows(Table.SILVER_REJECTED)) == 4
    assert len(bench.letters) == 4
    assert len(bench.rows(Table.BRONZE_EVENTS)) == 180
    assert [told.duplicate_rows for told in bench.outcomes] == [6, 60, 60]


STEPS: dict[str, tuple[type[Any], str, Callable[[Any], bool]]] = {
    "bronze": (OwnedTable, "append", lambda table: table.name == Table.BRONZE_EVENTS),
    "dead letters": (Bench, "send", lambda _: True),
    "rejected": (OwnedTable, "append", lambda table: table.name == Table.SILVER_REJECTED),
    "rejected index": (IdIndex, "add", lambda index: index._column == "content_id"),
    "silver": (OwnedTable, "append", lambda table: table.name == Table.SILVER_EVENTS),
    "silver index": (IdIndex, "add", lambda index: index._column == "event_id"),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_death_between_any_two_steps_is_harmless(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    bench.events()(bench.frame(kafka_records(MIXED[:20])), 0)
    owner, method, is_meant = STEPS[step]
    original = getattr(owner, method)

    def dying(self: Any, *arguments: Any) -> Any:
        if not is_meant(self):
            return original(self, *arguments)
        if when == "after":
            original(self, *arguments)
        raise DiedError(step)

    ingest = bench.events()
    with monkeypatch.context() as patch:
        patch.setattr(owner, method, dying)
        with pytest.raises(DiedError):
            ingest(bench.frame(kafka_records(MIXED).slice(20, 35)), 1)

    # The successor's micro-batches end elsewhere, and the first begins where silver ends.
    successor = bench.events()
    begin = successor.next_offsets().get(0, 0)
    assert begin in {20, 55}
    bronze_alone = len(bench.rows(Table.BRONZE_EVENTS)) > begin
    assert books(successor)[3] == (None if bronze_alone else 0 if begin == 20 else 5)
    successor(bench.frame(kafka_records(MIXED).slice(begin, 60 - begin)), 0)
    assert bench.ids() == event_ids(0, 50)
    assert sorted(row["offset"] for row in bench.rows(Table.SILVER_REJECTED)) == [45, 46, 47, 48]
    assert bench.offsets(Table.BRONZE_EVENTS) == [("events", 0, offset) for offset in range(60)]
    # Dead letters are sent at least once: again where the death came before rejected's commit.
    assert {row["offset"] for row in bench.letters} == {45, 46, 47, 48}
    assert counts(successor.bronze, successor.silver, successor.rejected.table) == [60, 50, 4]
    assert books(successor) == (60, 50, 4, 6)

    successor(bench.frame(shifted(kafka_records(MIXED), 60)), 1)
    assert bench.ids() == event_ids(0, 50)
    assert len(bench.rows(Table.SILVER_REJECTED)) == 4


def test_records_read_again_with_other_ends_are_not_doubled(bench: Bench) -> None:
    records = kafka_records(events(0, 100))
    ingest = bench.events()
    ingest(bench.frame(records.slice(0, 60)), 0)
    ingest(bench.frame(records.slice(30, 70)), 1)
    ingest(bench.frame(records), 2)
    assert bench.ids() == event_ids(0, 100)
    assert bench.offsets(Table.BRONZE_EVENTS) == [("events", 0, offset) for offset in range(100)]
    assert [told.input_rows for told in bench.outcomes] == [60, 40, 0]


def two_partitions() -> tuple[pa.Table, pa.Table]:
    """Events 0 to 9 in partition 0, and 10 to 19 in partition 1."""
    first = kafka_records(events(0, 10))
    second = first.set_column(first.schema.get_field_index("partition"), "partition", pa.array([1] * 10, pa.int32()))
    return first, second.set_column(1, "value", pa.array(events(10, 10), pa.binary()))


def test_a_batch_that_ends_before_bronze_does_not_take_it_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = two_partitions()

    def dying(*_: Any) -> Any:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(EventIngest, "_commit_silver", dying)
        with pytest.raises(DiedError):
            bench.events()(bench.frame(first), 0)
    successor = bench.events()
    successor(bench.frame(pa.concat_tables([first.slice(0, 4), second])), 0)
    assert books(successor) == (20, 14, 0, None)
    successor(bench.frame(first.slice(4)), 1)
    places = [(Topic.EVENTS, partition, offset) for partition in (0, 1) for offset in range(10)]
    assert bench.offsets(Table.BRONZE_EVENTS) == places
    assert books(successor) == (20, 20, 0, 0)


def test_partitions_move_on_their_own(bench: Bench) -> None:
    first, second = two_partitions()
    ingest = bench.events()
    ingest(bench.frame(pa.concat_tables([first.slice(0, 4), second])), 0)
    assert bench.events().next_offsets() == {0: 4, 1: 10}
    ingest(bench.frame(pa.concat_tables([first, second])), 1)
    assert bench.ids() == event_ids(0, 20)


def test_a_topic_made_anew_is_read_from_its_start(bench: Bench) -> None:
    bench.events()(bench.frame(kafka_records(events(0, 30))), 0)
    anew = TopicState(EVENTS.name, "second", EVENTS.earliest)
    ingest = bench.events(anew)
    assert ingest.next_offsets() == {}
    ingest(bench.frame(kafka_records(events(20, 20))), 0)
    assert bench.ids() == event_ids(0, 40)
    assert len(bench.rows(Table.BRONZE_EVENTS)) == 50


def test_a_driver_given_up_for_dead_cannot_commit(bench: Bench) -> None:
    lost, successor = bench.events(), bench.events()
    records = kafka_records(MIXED)
    successor(bench.frame(records), 0)
    with pytest.raises(CommitFailedError):
        lost(bench.frame(records), 0)
    assert bench.ids() == event_ids(0, 50)
    assert len(bench.rows(Table.BRONZE_EVENTS)) == 60
    assert len(bench.rows(Table.SILVER_REJECTED)) == 4


def test_compaction_keeps_rows_offsets_and_index(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owned_table, "_COMPACT_FILES", 4)
    ingest = bench.events()
    for batch in range(4):
        ingest(bench.frame(kafka_records(events(0, 80)).slice(batch * 20, 20)), batch)
        ingest.maintain()
    path = bench.settings.table_path(Table.SILVER_EVENTS)
    assert len(DeltaTable(path).file_uris()) < 4
    assert "OPTIMIZE" in {str(entry["operation"]) for entry in DeltaTable(path).history()}
    again = bench.events()
    assert again.next_offsets() == {0: 80}
    assert len(again.index) == again.silver.rows == 80
    again(bench.frame(shifted(kafka_records(events(0, 90)), 80)), 0)
    assert bench.ids() == event_ids(0, 90)


def test_silvers_commits_say_what_they_hold(bench: Bench) -> None:
    bench.events()(bench.frame(kafka_records(MIXED)), 7)
    newest = DeltaTable(bench.settings.table_path(Table.SILVER_EVENTS)).history(1)[0]
    note = json.loads(newest["userMetadata"])
    assert note == {"query": "events/1", "batch": 7, "offsets": {"0": 60}, "records": 60, "rejected": 4, "new": 50}


def test_nothing_is_committed_for_an_empty_batch(bench: Bench) -> None:
    ingest = bench.events()
    ingest(bench.frame(kafka_records([])), 0)
    assert ingest.silver.version == 0
    assert not bench.outcomes


def shifted(records: pa.Table, by: int) -> pa.Table:
    """The same records, sent again: at offsets `by` further on."""
    offsets = pa.array([offset + by for offset in records.column("offset").to_pylist()], pa.int64())
    return records.set_column(records.schema.get_field_index("offset"), "offset", offsets)
