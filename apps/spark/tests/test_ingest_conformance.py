"""`ingest` takes an event exactly when `Event.model_validate_json` and the rules of time do, with the same values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from apps.spark.tests.hostile_records import HOSTILE, mutants
from apps.spark.tests.ingest_records import CLOCK, event_json, kafka_records
from pydantic import ValidationError

from saran.core.entities import Event
from saran.core.json_text import event_to_json
from saran.core.limits import MAX_FUTURE_SECONDS
from saran.spark.event_columns import read_canonical
from saran.spark.event_records import parse_events

E = event_json


def expected(value: bytes | None) -> dict[str, object] | None:
    """What silver should hold of a record by pydantic's word, or None where it must be rejected."""
    try:
        event = Event.model_validate_json((value or b"").decode())
    except (ValidationError, UnicodeDecodeError):
        return None
    if not datetime(1970, 1, 1, tzinfo=UTC) <= event.event_time <= CLOCK + timedelta(seconds=MAX_FUTURE_SECONDS):
        return None
    moment = event.event_time
    return {
        **event.model_dump(exclude={"event_time", "action"}),
        "event_time": moment.replace(microsecond=moment.microsecond // 1000 * 1000).astimezone(UTC),
        "action": str(event.action.value),
    }


def found(row: dict[str, object]) -> dict[str, object]:
    """A row of silver as `expected` gives it."""
    context = row["context"]
    entries = dict(context) if isinstance(context, list) else None
    own = {"batch", "ingested_at", "kafka_partition", "kafka_offset"}
    return {name: entries if name == "context" else value for name, value in row.items() if name not in own}


def compare(values: list[bytes | None]) -> tuple[int, int]:
    """Assert that each value is judged as pydantic does; how many were taken and rejected."""
    silver, rejected = parse_events(kafka_records(values))
    taken = {row["kafka_offset"]: found(row) for row in silver.to_pylist()}
    refused = {row["offset"]: row for row in rejected.to_pylist()}
    assert sorted([*taken, *refused]) == list(range(len(values)))
    for offset, value in enumerate(values):
        assert taken.get(offset) == expected(value), value
    assert all(row["reason"] for row in refused.values())
    return len(taken), len(refused)


@pytest.mark.parametrize("name", HOSTILE)
def test_one_hostile_record_is_judged_as_pydantic_does(name: str) -> None:
    compare([HOSTILE[name]])


def test_hostile_records_do_not_change_their_neighbours() -> None:
    values = list(HOSTILE.values())
    mixed = [item for value in values for item in (value, E(5).encode())]
    taken, refused = compare(mixed)
    assert taken >= len(values)
    assert taken + refused == len(mixed)


def test_mutants_of_canonical_events_are_judged_as_pydantic_does() -> None:
    taken, refused = compare([*mutants()])
    assert taken > 100
    assert refused > 100


def test_what_saran_writes_takes_the_fast_path() -> None:
    events = [
        Event.model_validate_json(value)
        for value in (HOSTILE["canonical"], HOSTILE["no context"], HOSTILE["context of two"], HOSTILE["value and ids"])
        if value is not None
    ]
    values = pa.array([event_to_json(event).encode() for event in events], pa.binary())
    table, mask = read_canonical(values, pa.array([CLOCK] * len(events), pa.timestamp("us", "UTC")))
    assert mask.all()
    assert table.num_rows == len(events)


def test_the_micro_batch_number_becomes_a_column() -> None:
    silver, _ = parse_events(kafka_records([E(25_000).encode(), HOSTILE["batch no number"], HOSTILE["no context"]]))
    assert silver.sort_by("kafka_offset").column("batch").to_pylist() == [3, None, None]


def test_reasons_name_every_wrong_field() -> None:
    value = E(1, user_id='""', action='"buy"', value='"x"').encode()
    _, rejected = parse_events(kafka_records([value], [b"key"]))
    row = rejected.to_pylist()[0]
    reasons = row["reason"].split("; ")
    assert [reason.split(":")[0] for reason in reasons] == ["user_id", "action", "value"]
    assert row["event_id"] == f"{1:032x}"
    assert (row["value"], row["raw"], row["key"]) == (value, value.decode(), b"key")


def test_the_producers_reason_is_kept() -> None:
    _, rejected = parse_events(kafka_records([HOSTILE["producer's error"], HOSTILE["not UTF-8"], None]))
    rows = rejected.to_pylist()
    assert rows[0]["reason"] == "row 7: timestamp is no number"
    assert rows[0]["event_id"] == "7"
    assert rows[1]["reason"].startswith("not UTF-8: byte ")
    assert "\\xff" in rows[1]["raw"]
    assert rows[2]["reason"] == "empty record"
