"""Event records of Kafka back into columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl
from pydantic import ValidationError

from saran.core.datasets import EVENT_COLUMNS
from saran.core.entities import Event
from saran.core.json_text import event_to_json
from saran.core.names import CONTEXT_BATCH

_REQUIRED: Final = ("event_id", "event_time", "user_id", "item_id", "action")


def decode_events(values: Sequence[bytes], context_keys: Sequence[str] = ()) -> pl.DataFrame:
    """Events (EVENT_COLUMNS) of JSON values, in their order; context is a Struct of `context_keys` and the batch.

    Records of wrong rows (they have an `error`), tombstones and what is no event are left out.
    """
    fields = {
        **dict.fromkeys(EVENT_COLUMNS, pl.String()),
        "value": pl.Float64(),
        "context": pl.Struct(dict.fromkeys([*context_keys, CONTEXT_BATCH], pl.String())),
    }
    try:
        events = _columns(pl.Series("json", values, dtype=pl.Binary).cast(pl.String), fields)
    except pl.exceptions.PolarsError:
        # One record that is no JSON makes the whole column fail, so each is looked at.
        valid = [event for value in values if (event := _valid(value)) is not None]
        events = _columns(pl.Series("json", valid, dtype=pl.String), fields)
    return events.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in _REQUIRED))


def _columns(text: pl.Series, fields: dict[str, pl.DataType]) -> pl.DataFrame:
    moment = pl.col("event_time").str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ms", time_zone="UTC", strict=False
    )
    return text.str.json_decode(pl.Struct(fields)).struct.unnest().with_columns(moment)


def _valid(value: bytes) -> str | None:
    try:
        return event_to_json(Event.model_validate_json(value))
    except ValidationError:
        return None
