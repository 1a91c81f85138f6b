"""What Kafka brings, judged as `ingest` judges it: what it rejects must not reach a history either.

A record in the form that Saran's own parts write is read by msgspec, many times faster than building a model; any
other, and any that breaks a rule, is left to `saran.core.verdicts`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np

from saran.api.exposure_table import Exposure
from saran.api.history import EventColumns, event_hashes
from saran.core import limits
from saran.core.entities import ACTION_CODES, Action, Event
from saran.core.experiment_shapes import NAME
from saran.core.names import EXPOSURES
from saran.core.verdicts import judge

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_NAME: Final = re.compile(NAME.removesuffix("$") + r"\Z")
_LONG_FRACTION: Final = re.compile(rb"\.[0-9]{7}")
"""Of a time, msgspec rounds it where an Event cuts it."""

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_ID_LENGTH)]
_ContextText = Annotated[str, msgspec.Meta(max_length=limits.MAX_CONTEXT_LENGTH)]


class _Record(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The JSON of an event; it takes no more than Event does."""

    event_id: _Id
    event_time: Annotated[datetime, msgspec.Meta(tz=True)]
    user_id: _Id
    item_id: _Id
    action: Action
    source: _Id
    value: Annotated[float, msgspec.Meta(ge=-limits.MAX_ABS_VALUE, le=limits.MAX_ABS_VALUE)] | None = None
    session_id: _Id | None = None
    transaction_id: _Id | None = None
    context: Annotated[dict[_ContextText, _ContextText], msgspec.Meta(max_length=limits.MAX_CONTEXT_KEYS)] | None = None


_decode: Final = msgspec.json.Decoder(_Record).decode


class Parsed(NamedTuple):
    """Events that may enter histories, the users they are of, and how many records may not be read."""

    user_ids: list[str]
    events: EventColumns
    rejected: int
    shown: list[Exposure]
    """What an experiment showed: no event of a history."""


def parse(values: Sequence[bytes | None], clocks: Sequence[int]) -> Parsed:
    """Read the values of records; `clocks` are the records' Kafka timestamps in milliseconds since 1970.

    A record's own clock, not that of the machine, bounds how far ahead an event's time may lie, as in `ingest`.
    """
    latest = _EPOCH + timedelta(milliseconds=min(clocks, default=0), seconds=limits.MAX_FUTURE_SECONDS)
    records: list[_Record | Event] = []
    for value, clock in zip(values, clocks, strict=True):
        record = _canonical(value, latest) or judge(Event, value, clock)
        if isinstance(record, _Record | Event):
            records.append(record)
    rejected = len(values) - len(records)
    shown = [one for one in map(_exposure, records) if one is not None]
    records = [one for one in records if one.source != EXPOSURES]
    positions: dict[str, int] = {}
    users = np.array([positions.setdefault(r.user_id, len(positions)) for r in records], dtype=np.int64)
    events = EventColumns(
        users,
        [r.item_id for r in records],
        np.array([ACTION_CODES[r.action] for r in records], dtype=np.int16),
        np.array([r.value for r in records], dtype=np.float32),
        np.array([(r.event_time - _EPOCH) // _MILLISECOND for r in records], dtype=np.int64),
        event_hashes([r.event_id for r in records]),
    )
    return Parsed(list(positions), events, rejected, shown)


def _exposure(record: _Record | Event) -> Exposure | None:
    if record.source != EXPOSURES:
        return None
    context = record.context or {}
    experiment, variant = context.get("experiment", ""), context.get("variant", "")
    # Whoever may send events may send this source too.
    if record.action != Action.IMPRESSION or not (_NAME.match(experiment) and _NAME.match(variant)):
        return None
    at = (record.event_time - _EPOCH) // _MILLISECOND
    return Exposure(record.user_id, record.item_id, experiment, variant, at)


def without(parsed: Parsed, erased: Mapping[str, int]) -> Parsed:
    """All but the events of users in `erased` up to the given time, in milliseconds since 1970."""
    if not erased:
        return parsed
    until = np.array([erased.get(user_id, -1) for user_id in parsed.user_ids], dtype=np.int64)
    events = parsed.events
    kept = np.flatnonzero(events.times > until[events.users])
    return parsed._replace(events=events.take(kept))


def _canonical(value: bytes | None, latest: datetime) -> _Record | None:
    """The event where msgspec alone can tell that it is one, of 1970 to `latest`."""
    # In JSON a control character, which ids must not hold, is an escape, or the bare DEL.
    if not value or b"\\" in value or b"\x7f" in value or _LONG_FRACTION.search(value):
        return None
    try:
        record = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return record if _EPOCH <= record.event_time <= latest else None
