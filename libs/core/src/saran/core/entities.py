"""The entities that everything is mapped to, and their JSON.

`Event`, `Item` and `User` are the single description of shape: the Arrow schemas (and by them Spark's), the
published JSON Schemas under schemas/ and the API's request bodies all come from here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import pyarrow as pa
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, field_serializer

from saran.core import limits


class Action(StrEnum):
    """What a user did with an item. The order is the code that histories store (`ACTION_CODES`)."""

    VIEW = "view"
    CLICK = "click"
    ADD_TO_CART = "add_to_cart"
    PURCHASE = "purchase"
    RATE = "rate"
    IMPRESSION = "impression"


ACTION_CODES: Final[dict[str, int]] = {action.value: code for code, action in enumerate(Action)}
"""Small integers for actions in arrays; never reorder `Action`, stored histories hold these codes."""


def _text(given: object) -> object:
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    # A float has many texts (1e3, 1000.0): as an id it would not be the same for every reader.
    if isinstance(given, float):
        raise ValueError("is a fraction, not a text or an integer")  # noqa: TRY004 - pydantic wants a ValueError
    return given


def _printable(text: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ValueError("holds control characters")
    return text


_GivenId = Annotated[str, Field(min_length=1, max_length=limits.MAX_ID_LENGTH)] | int

Identifier = Annotated[
    str,
    Field(min_length=1, max_length=limits.MAX_ID_LENGTH),
    BeforeValidator(_text, json_schema_input_type=_GivenId),
    AfterValidator(_printable),
]
"""An id: 1 to 256 characters without control characters; integers are accepted and become strings."""


def _worded(given: object) -> object:
    # Of a number nobody could tell whether it is seconds or milliseconds.
    if isinstance(given, datetime) or (isinstance(given, str) and not given.replace(".", "").lstrip("+-").isdigit()):
        return given
    raise ValueError("is not a time as RFC 3339 has it, such as 2026-01-31T12:00:00Z")


Moment = Annotated[AwareDatetime, BeforeValidator(_worded)]
"""A time that a caller says, with its zone; no number is taken for one."""

_ContextText = Annotated[str, Field(max_length=limits.MAX_CONTEXT_LENGTH)]


def without_nul(text: str) -> str:
    """The text. Raises ValueError when it holds U+0000."""
    if "\0" in text:
        raise ValueError("holds U+0000, which PostgreSQL cannot store")
    return text


_StoredText = Annotated[_ContextText, AfterValidator(without_nul)]


class Event(BaseModel):
    """One thing that one user did with one item at one time."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Event")

    event_id: Identifier = Field(description="Unique; the same event sent again keeps its id")
    event_time: AwareDatetime = Field(description="When it happened (UTC, milliseconds), not when it arrived")
    user_id: Identifier
    item_id: Identifier
    action: Action
    value: float | None = Field(
        default=None,
        allow_inf_nan=False,
        ge=-limits.MAX_ABS_VALUE,
        le=limits.MAX_ABS_VALUE,
        description="Rating, quantity or amount, by action",
    )
    session_id: Identifier | None = None
    transaction_id: Identifier | None = None
    source: Identifier = Field(description="Name of the data set or client that the event comes from")
    context: dict[_ContextText, _ContextText] | None = Field(
        default=None, max_length=limits.MAX_CONTEXT_KEYS, description="Experiment variant, request id, device …"
    )

    @field_serializer("event_time")
    def _time(self, value: datetime) -> str:
        return format_time(value)


class ItemFacts(BaseModel):
    """What is said of an item."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str | None = Field(default=None, max_length=2000)
    description: str | None = Field(default=None, max_length=20_000)
    categories: list[str] = Field(default_factory=list, max_length=100)
    image_url: str | None = Field(default=None, max_length=2000, description="Absolute, or a path below /media/")
    url: str | None = Field(default=None, max_length=2000)
    price: float | None = Field(default=None, ge=0, le=limits.MAX_ABS_VALUE, allow_inf_nan=False)
    list_price: float | None = Field(default=None, ge=0, le=limits.MAX_ABS_VALUE, allow_inf_nan=False)
    rating: float | None = Field(default=None, ge=0, le=100, allow_inf_nan=False)
    rating_count: int | None = Field(default=None, ge=0)
    age_rating: str | None = Field(default=None, max_length=32)
    release_date: str | None = Field(default=None, max_length=10, description="ISO date, or only its year")
    is_available: bool = True
    attributes: dict[str, str] = Field(default_factory=dict)


class _ItemId(BaseModel):
    # Fields of the last base come first, in JSON too.
    item_id: Identifier


class Item(ItemFacts, _ItemId):
    """One thing of the catalogue."""

    model_config = ConfigDict(title="Item")


class UserFacts(BaseModel):
    """What is said of a user besides events."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    birth_year: int | None = Field(default=None, ge=1900, le=2100)
    attributes: dict[_StoredText, _StoredText] = Field(default_factory=dict, max_length=limits.MAX_CONTEXT_KEYS)


class _UserId(BaseModel):
    user_id: Identifier


class User(UserFacts, _UserId):
    """One user."""

    model_config = ConfigDict(title="User")


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2015-06-02T05:02:12.117Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


EVENT_ARROW: Final = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("event_time", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("action", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("session_id", pa.string()),
        pa.field("transaction_id", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("context", pa.map_(pa.string(), pa.string())),
    ]
)
"""Columns of an event, in the order of its JSON."""

ITEM_ARROW: Final = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("description", pa.string()),
        pa.field("categories", pa.list_(pa.string())),
        pa.field("image_url", pa.string()),
        pa.field("url", pa.string()),
        pa.field("price", pa.float64()),
        pa.field("list_price", pa.float64()),
        pa.field("rating", pa.float64()),
        pa.field("rating_count", pa.int64()),
        pa.field("age_rating", pa.string()),
        pa.field("release_date", pa.string()),
        pa.field("is_available", pa.bool_()),
        pa.field("attributes", pa.map_(pa.string(), pa.string())),
    ]
)
"""Columns of an item, in the order of its JSON."""


USER_ARROW: Final = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("birth_year", pa.int32()),
        pa.field("attributes", pa.map_(pa.string(), pa.string())),
    ]
)
"""Columns of a user, in the order of its JSON."""


def json_schema(entity: type[BaseModel]) -> dict[str, Any]:
    """The published JSON Schema of an entity (2020-12), as `schemas/<name>.schema.json` holds it."""
    schema = entity.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
