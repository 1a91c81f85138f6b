"""JSON of columns means the same as the JSON of the entities, and fits the published schemas."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import polars as pl
import pytest

from saran.core.codec import encode_events, encode_items, encode_rejected, rfc3339
from saran.core.datasets import EVENT_COLUMNS, ITEM_COLUMNS, REJECTED_SCHEMA
from saran.core.entities import Action, Event, Item, json_schema
from saran.core.json_text import event_to_json, item_to_json

START = datetime(2015, 6, 2, 5, 2, 12, 117_000, tzinfo=UTC)
TEXTS = ['say "hi"', "back\\slash", "Amélie 東京 🎬", "plain", "zwölf"]
VALUES = [1e12, -0.1, 4.0, 1e-7, None]

EVENTS = [
    Event(
        event_id=f"e{number}",
        event_time=START + timedelta(days=number * 1000, milliseconds=number),
        user_id=TEXTS[number % 5],
        item_id=f"i{number}",
        action=list(Action)[number % 6],
        value=VALUES[number % 5],
        session_id=None,
        transaction_id=TEXTS[number % 5] if number % 2 else None,
        source="test",
        context=[{"batch": "1", "note": 'a\n"b"'}, {"batch": "2"}, {"note": "\u2028"}][number % 3],
    )
    for number in range(30)
]


def frame_of(events: list[Event], keys: tuple[str, ...]) -> pl.DataFrame:
    rows: list[dict[str, Any]] = [
        {
            **event.model_dump(exclude={"event_time", "context"}),
            "action": str(event.action),
            "context": {key: (event.context or {}).get(key) for key in keys} or None,
        }
        for event in events
    ]
    times = pl.Series("event_time", [event.event_time for event in events], dtype=pl.Datetime("ms", "UTC"))
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(times).select(EVENT_COLUMNS)


def test_events_round_trip() -> None:
    texts = encode_events(frame_of(EVENTS, ("batch", "note")))
    assert [Event.model_validate_json(text) for text in texts] == EVENTS
    validator = jsonschema.Draft202012Validator(json_schema(Event))
    for text, event in zip(texts, EVENTS, strict=True):
        validator.validate(json.loads(text))
        assert json.loads(event_to_json(event)) == json.loads(text)


def test_an_event_is_these_bytes() -> None:
    event = EVENTS[3].model_copy(update={"context": {"batch": "7"}})
    assert encode_events(frame_of([event], ("batch",))).to_list() == [
        '{"event_id":"e3","event_time":"2023-08-19T05:02:12.120Z","user_id":"plain","item_id":"i3",'
        '"action":"purchase","value":1e-7,"transaction_id":"plain","source":"test","context":{"batch":"7"}}'
    ]


def test_events_without_context() -> None:
    bare = [event.model_copy(update={"context": None}) for event in EVENTS]
    assert [Event.model_validate_json(text) for text in encode_events(frame_of(bare, ()))] == bare


def test_no_events() -> None:
    assert encode_events(frame_of(EVENTS, ("batch",)).clear()).to_list() == []


def test_an_event_needs_its_id_and_time() -> None:
    frame = frame_of(EVENTS[:2], ("batch",))
    with pytest.raises(ValueError, match="event_id is null"):
        encode_events(frame.with_columns(pl.lit(None, pl.String).alias("event_id")))
    with pytest.raises(ValueError, match="event_time is null"):
        encode_events(frame.with_columns(pl.lit(None, pl.Datetime("ms", "UTC")).alias("event_time")))


def test_times_are_those_of_strftime() -> None:
    moments = [0, 1, 86_399_999, 86_400_000, 951_782_400_000, 4_102_444_799_999, 253_402_300_799_999]
    times = pl.Series("event_time", moments).cast(pl.Datetime("ms", "UTC"))
    assert rfc3339(times).to_list() == times.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_list()
    with pytest.raises(ValueError, match="outside the years"):
        rfc3339(pl.Series([-1]).cast(pl.Datetime("ms", "UTC")))


ITEMS = [
    Item(item_id="1", title='A "quoted" title', categories=["x", 'y"z'], price=9.99, rating_count=12),
    Item(item_id="2", description="two\nlines\t", is_available=False, attributes={"a": "é", 'odd "key"': "\\"}),
    Item(item_id="3", rating=4.5, release_date="1995", attributes={"a": "only"}),
]


def test_items_round_trip() -> None:
    keys = ("a", 'odd "key"')
    rows = [{**item.model_dump(), "attributes": {key: item.attributes.get(key) for key in keys}} for item in ITEMS]
    texts = encode_items(pl.DataFrame(rows, infer_schema_length=None).select(ITEM_COLUMNS))
    assert [Item.model_validate_json(text) for text in texts] == ITEMS
    validator = jsonschema.Draft202012Validator(json_schema(Item))
    for text, item in zip(texts, ITEMS, strict=True):
        validator.validate(json.loads(text))
        assert Item.model_validate_json(item_to_json(item)) == item


def test_rejected_rows_carry_id_source_reason_and_text() -> None:
    row = ("00ff", "shop", "log.csv", 4, 6, 'has 2 columns instead of "3"', "a\0,b\n")
    frame = pl.DataFrame([row], schema=REJECTED_SCHEMA, orient="row")
    (text,) = encode_rejected(frame)
    assert json.loads(text) == {
        "event_id": "00ff", "source": "shop", "error": 'has 2 columns instead of "3"', "raw": "a\0,b\n"
    }  # fmt: skip
