"""Event and Item: what they accept, and that their three descriptions of shape agree."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from saran.core.entities import ACTION_CODES, EVENT_ARROW, ITEM_ARROW, Event, Item, User, format_time, json_schema
from saran.core.verdicts import Rejection, judge

VALID: dict[str, Any] = {
    "event_id": "e1",
    "event_time": "2015-06-02T05:02:12.117Z",
    "user_id": "u1",
    "item_id": "i1",
    "action": "view",
    "source": "test",
}


@pytest.mark.parametrize("entity", [(Event, EVENT_ARROW), (Item, ITEM_ARROW)])
def test_arrow_columns_are_the_fields_in_their_order(entity: tuple[Any, Any]) -> None:
    model, arrow = entity
    assert list(model.model_fields) == arrow.names
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    assert [field.name for field in arrow if not field.nullable] == required


def test_integers_become_string_ids() -> None:
    assert Event.model_validate({**VALID, "user_id": 42}).user_id == "42"


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("event_id", ""),
        ("user_id", "x" * 257),
        ("user_id", 1.5),
        ("session_id", float("nan")),
        ("item_id", "a\x00b"),
        ("action", "addtocart"),
        ("value", float("nan")),
        ("value", 2e12),
        ("event_time", "2015-06-02T05:02:12.117"),
        ("context", {str(key): "v" for key in range(33)}),
        ("context", {"k": "v" * 1025}),
        ("unknown", 1),
    ],
)
def test_a_bad_field_is_named(field: str, bad: object) -> None:
    with pytest.raises(ValidationError) as raised:
        Event.model_validate({**VALID, field: bad})
    assert {error["loc"][0] for error in raised.value.errors()} == {field}


def test_the_published_schema_accepts_what_the_model_accepts() -> None:
    validator = Draft202012Validator(json_schema(Event))
    assert validator.is_valid(VALID)
    assert not validator.is_valid({**VALID, "action": "addtocart"})
    assert not validator.is_valid({key: value for key, value in VALID.items() if key != "user_id"})


def test_time_is_utc_with_milliseconds_cut_not_rounded() -> None:
    jakarta = timezone(timedelta(hours=7))
    assert format_time(datetime(2024, 1, 1, 6, 59, 59, 999_999, jakarta)) == "2023-12-31T23:59:59.999Z"
    event = Event.model_validate({**VALID, "event_time": datetime(2024, 1, 1, tzinfo=UTC)})
    assert '"event_time":"2024-01-01T00:00:00.000Z"' in event.model_dump_json()


def test_action_codes_are_what_stored_histories_hold() -> None:
    assert ACTION_CODES == {"view": 0, "click": 1, "add_to_cart": 2, "purchase": 3, "rate": 4, "impression": 5}


def test_a_user_holds_nothing_that_the_online_store_cannot() -> None:
    """U+0000 in an attribute once ended the worker, at each start anew."""
    for attributes in (r'{"k": "a\u0000b"}', r'{"a\u0000b": "v"}'):
        verdict = judge(User, f'{{"user_id": "u", "attributes": {attributes}}}'.encode(), 0)
        assert isinstance(verdict, Rejection)
        assert "U+0000" in verdict.reason
