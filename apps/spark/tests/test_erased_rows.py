"""Which rows of a micro-batch are of erased users, and the condition that deletes those of before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from apps.spark.tests.ingest_records import CLOCK, event_json, kafka_records
from deltalake import write_deltalake

from saran.core.erasures import FOREVER, Tombstones
from saran.core.pseudonym import pseudonyms
from saran.spark import lake_schemas
from saran.spark.erased_rows import any_of, leave_out, without_places
from saran.spark.event_records import parse_events
from saran.spark.owned_table import OwnedTable

KEY = b"k" * 32
OF_EVENTS = 1_433_221_332_117
"""event_time of event_json's events, in milliseconds."""


def tombstones(**until: int) -> Tombstones:
    subjects = dict(zip(pseudonyms(until, KEY), until.values(), strict=True))
    return Tombstones(subjects, KEY)


def test_events_up_to_the_time_are_left_out_and_records_that_are_no_event_by_their_key() -> None:
    values = [event_json(number, user_id=f'"{user}"').encode() for number, user in enumerate("abcd")]
    wrong = [b"wrong", b"wrong too", b"nobody's"]
    records = kafka_records([*values, *wrong], [*[b"x"] * 4, b"a", b"d", None])
    silver, rejected = parse_events(records)
    erased = tombstones(a=FOREVER, b=OF_EVENTS, c=OF_EVENTS - 1)
    kept, left, gone = leave_out(erased, silver, rejected)
    assert kept.column("user_id").to_pylist() == ["c", "d"]
    assert left.column("key").to_pylist() == [b"d", None]
    assert gone == {(0, 0), (0, 1), (0, 4)}
    assert without_places(records, gone).column("offset").to_pylist() == [2, 3, 5, 6]


def test_of_two_erasures_the_later_end_counts() -> None:
    both = tombstones(a=5).with_more(tombstones(a=3, b=FOREVER).subjects, KEY)
    assert both.among(["a", "b", "c"]) == {"a": 5, "b": FOREVER}
    assert not Tombstones()
    assert Tombstones().among(["a"]) == {}


def test_the_condition_deletes_a_users_rows_up_to_the_time_and_nobody_elses(tmp_path: Path) -> None:
    keys = [b"a", b"o'hara", b"b"]
    now = pa.array([datetime.now(UTC)] * 3, pa.timestamp("us", "UTC"))
    rows = kafka_records([b"v"] * 3, keys).append_column("ingested_at", now)
    write_deltalake(tmp_path, rows.select(lake_schemas.BRONZE.names).cast(lake_schemas.BRONZE))
    table = OwnedTable(tmp_path, "bronze.events", lake_schemas.BRONZE)
    clock = int(CLOCK.timestamp() * 1000)
    for users, deleted, left in (
        ({"a": clock - 1}, 0, [b"a", b"b", b"o'hara"]),
        ({"a": clock, "o'hara": FOREVER}, 2, [b"b"]),
        ({"a": FOREVER}, 0, [b"b"]),
    ):
        assert table.delete(any_of("key", "timestamp", users), {}) == deleted
        assert sorted(table.distinct("key")) == left
        assert table.rows == len(left)
