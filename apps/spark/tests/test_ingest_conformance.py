"""`ingest` takes an event exactly when `Event.model_validate_json` and the rules of time do, with the same values."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from apps.spark.tests.ingest_records import CLOCK, event_json, kafka_records
from pydantic import ValidationError

from saran.core.codec import event_to_json
from saran.core.entities import Event
from saran.core.limits import MAX_FUTURE_SECONDS
from saran.spark.event_columns import read_canonical
from saran.spark.event_records import parse_events

E = event_json

HOSTILE: dict[str, bytes | None] = {
    "canonical": E(1).encode(),
    "no context": E(1).replace(',"context":{"batch":"1"}', "").encode(),
    "null optional fields": E(1, value="null", session_id="null", transaction_id="null").encode(),
    "null context": E(1, context="null").encode(),
    "empty context": E(1, context="{}").encode(),
    "context of two": E(1, context='{"batch":"2","variant":"b"}').encode(),
    "context key twice": E(1, context='{"batch":"2","batch":"3"}').encode(),
    "context keys named like fields": E(1, context='{"a":"b","value":"x","session_id":"y","source":"z"}').encode(),
    "context value a number": E(1, context='{"batch":2}').encode(),
    "context value null": E(1, context='{"batch":null}').encode(),
    "context nested": E(1, context='{"batch":{"a":"b"}}').encode(),
    "context a list": E(1, context='["batch"]').encode(),
    "context with 32 keys": E(1, context="{" + ",".join(f'"{n}":"x"' for n in range(32)) + "}").encode(),
    "context with 33 keys": E(1, context="{" + ",".join(f'"{n}":"x"' for n in range(33)) + "}").encode(),
    "context value of 1024": E(1, context='{"a":"' + "é" * 1024 + '"}').encode(),
    "context value of 1025": E(1, context='{"a":"' + "é" * 1025 + '"}').encode(),
    "context key of 1025": E(1, context='{"' + "k" * 1025 + '":"a"}').encode(),
    "context with empty texts": E(1, context='{"":""}').encode(),
    "context with DEL": E(1, context='{"a":"\x7f"}').encode(),
    "batch no number": E(1, context='{"batch":"x"}').encode(),
    "value": event_json(1).replace(',"source"', ',"value":4.5,"source"').encode(),
    "value and ids": event_json(1)
    .replace(',"source"', ',"value":-0.25,"session_id":"s","transaction_id":"t","source"')
    .encode(),
    "session only": event_json(1).replace(',"source"', ',"session_id":"s","source"').encode(),
    "transaction only": event_json(1).replace(',"source"', ',"transaction_id":"t","source"').encode(),
    "value at the limit": E(1, value="1e12").encode(),
    "value over the limit": E(1, value="1000000000001").encode(),
    "value 999999999999.9": event_json(1).replace(',"source"', ',"value":999999999999.9,"source"').encode(),
    "value with leading zero": event_json(1).replace(',"source"', ',"value":01,"source"').encode(),
    "value with many digits": event_json(1).replace(',"source"', ',"value":0.12345678901234567,"source"').encode(),
    "value infinite": E(1, value="1e999").encode(),
    "value Infinity": E(1, value="Infinity").encode(),
    "value NaN": E(1, value="NaN").encode(),
    "value as text": E(1, value='"4.5"').encode(),
    "value as word": E(1, value='"four"').encode(),
    "value true": E(1, value="true").encode(),
    "missing event_id": E(1).replace(f'"event_id":"{1:032x}",', "").encode(),
    "empty event_id": E(1, event_id='""').encode(),
    "null user": E(1, user_id="null").encode(),
    "integer user": E(1, user_id="17").encode(),
    "float user": E(1, user_id="1.5").encode(),
    "large integer user": E(1, user_id="123456789012345678901234567890").encode(),
    "boolean user": E(1, user_id="true").encode(),
    "user a list": E(1, user_id='["1"]').encode(),
    "user of 256": E(1, user_id='"' + "ü" * 256 + '"').encode(),
    "user of 257": E(1, user_id='"' + "ü" * 257 + '"').encode(),
    "item with a line break": E(1, item_id=r'"a\nb"').encode(),
    "item with NUL": E(1, item_id=r'"a\u0000b"').encode(),
    "item with raw line break": E(1, item_id='"a\nb"').encode(),
    "item with DEL": E(1, item_id='"a\x7fb"').encode(),
    "item with C1 control": E(1, item_id='"a\x85b"').encode(),
    "item with escaped quote": E(1, item_id=r'"a\"b"').encode(),
    "item with escaped letter": E(1, item_id=r'"\u0061"').encode(),
    "item with lone surrogate": E(1, item_id=r'"\ud800"').encode(),
    "item with emoji": E(1, item_id='"🛒"').encode(),
    "item of blanks": E(1, item_id='"   "').encode(),
    "unknown action": E(1, action='"buy"').encode(),
    "action in capitals": E(1, action='"VIEW"').encode(),
    "action null": E(1, action="null").encode(),
    "unknown field": E(1, colour='"red"').encode(),
    "field twice": E(1).replace('"user_id":"1"', '"user_id":"1","user_id":"9"').encode(),
    "other order": ("{" + ",".join(reversed(E(1, context="null")[1:-1].split(","))) + "}").encode(),
    "white space": E(1).replace(",", " ,\n ").encode(),
    "trailing line break": E(1).encode() + b"\n",
    "trailing text": E(1).encode() + b"x",
    "two objects": (E(1) + E(2)).encode(),
    "byte order mark": b"\xef\xbb\xbf" + E(1).encode(),
    "time without zone": E(1, event_time='"2015-06-02T05:02:12.117"').encode(),
    "time with offset": E(1, event_time='"2015-06-02T05:02:12.117+02:00"').encode(),
    "time with blank": E(1, event_time='"2015-06-02 05:02:12Z"').encode(),
    "time in seconds": E(1, event_time="1433221332").encode(),
    "time in milliseconds": E(1, event_time="1433221332117").encode(),
    "time with microseconds": E(1, event_time='"2015-06-02T05:02:12.117999Z"').encode(),
    "time a date": E(1, event_time='"2015-06-02"').encode(),
    "30 February": E(1, event_time='"2015-02-30T05:02:12.117Z"').encode(),
    "29 February of a leap year": E(1, event_time='"2016-02-29T05:02:12.117Z"').encode(),
    "29 February of no leap year": E(1, event_time='"2015-02-29T05:02:12.117Z"').encode(),
    "31 April": E(1, event_time='"2015-04-31T05:02:12.117Z"').encode(),
    "24 o'clock": E(1, event_time='"2015-06-02T24:00:00.000Z"').encode(),
    "leap second": E(1, event_time='"2015-06-30T23:59:60.000Z"').encode(),
    "before 1970": E(1, event_time='"1969-12-31T23:59:59.999Z"').encode(),
    "1970": E(1, event_time='"1970-01-01T00:00:00.000Z"').encode(),
    "year 2999": E(1, event_time='"2999-01-01T00:00:00.000Z"').encode(),
    "a day ahead": E(1, event_time='"2026-01-03T03:04:05.000Z"').encode(),
    "a day and a millisecond ahead": E(1, event_time='"2026-01-03T03:04:05.001Z"').encode(),
    "not UTF-8": E(1).encode().replace(b'"test"', b'"te\xffst"'),
    "UTF-16": E(1).encode("utf-16"),
    "not JSON": b"{event_id: 1",
    "cut off": E(1).encode()[:-1],
    "empty": b"",
    "no value": None,
    "a list": b"[1,2]",
    "a text": b'"view"',
    "null": b"null",
    "deep": b"[" * 5000,
    "producer's error": b'{"event_id":"7","source":"file.csv","error":"row 7: timestamp is no number","raw":"x,1,2"}',
    "error no text": b'{"event_id":"7","error":5}',
}


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
    draw = random.Random(20_260_122)
    originals = [
        event_json(3).encode(),
        HOSTILE["value and ids"] or b"",
        HOSTILE["context of two"] or b"",
        E(4, user_id='"é🛒"').encode(),
    ]
    alphabet = b'"\\{}[]:,.0123456789eE-+Zabz \n\x00\x7f\xc3\xa9\xff'
    mutants = []
    for _ in range(4000):
        text = bytearray(draw.choice(originals))
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            place = draw.randrange(len(text))
            match draw.randrange(3):
                case 0:
                    text[place] = draw.choice(alphabet)
                case 1:
                    text.insert(place, draw.choice(alphabet))
                case _:
                    del text[place]
        mutants.append(bytes(text))
    taken, refused = compare(list(mutants))
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
