"""Canonical JSON of events to columns, without a Python object a row.

Parts write an event as `saran.core.codec` does: fields in order, nulls left out, no escapes in ids. Such text is known
by one regular expression, and its fields are then the pieces between its quotes. It accepts only what
`Event.model_validate_json` takes with the same result; everything else is left to that.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from saran.core import limits
from saran.core.entities import Action

_ID: Final = r'"[^"\\\x00-\x1f\x7f]+"'
_TEXT: Final = r'"[^"\\\x00-\x1f\x7f]*"'
# 29 February is left to the careful path: which years have one is no matter for a regular expression.
_DATE: Final = (
    r"(?:19[7-9][0-9]|2[0-9]{3})-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_TIME: Final = rf'"{_DATE}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{3}}Z"'
_NUMBER: Final = r"-?(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,17})?"
_CANONICAL: Final = (
    rf'^\{{"event_id":{_ID},"event_time":{_TIME},"user_id":{_ID},"item_id":{_ID}'
    rf',"action":"(?:{"|".join(Action)})"(?:,"value":{_NUMBER})?(?:,"session_id":{_ID})?'
    rf'(?:,"transaction_id":{_ID})?,"source":{_ID}(?:,"context":\{{(?:{_TEXT}:{_TEXT}(?:,{_TEXT}:{_TEXT})*)?\}})?\}}$'
)

# Pieces of a text split at its quotes, counted from the text's first piece `{`.
_EVENT_ID, _EVENT_TIME, _USER_ID, _ITEM_ID, _ACTION = 3, 7, 11, 15, 19
_AFTER_ACTION: Final = 21
_FIELDS: Final = ("event_id", "user_id", "item_id", "session_id", "transaction_id", "source")


def read_canonical(values: pa.Array, clocks: pa.Array) -> tuple[pa.Table, NDArray[np.bool_]]:
    """Events of the canonical ones among `values` (binary), and the mask of these, shape (n,).

    The table has EVENT_ARROW's columns, its times in microseconds. `clocks` are the records' Kafka timestamps.
    """
    texts = _utf8(values)
    canonical = pc.fill_null(pc.match_substring_regex(texts, _CANONICAL), False)
    table, sound = _columns(texts.filter(canonical), clocks.filter(canonical))
    mask = np.array(canonical)
    mask[np.flatnonzero(mask)] = sound
    return table.filter(pa.array(sound)), mask


def _utf8(values: pa.Array) -> pa.Array:
    """`values` as strings, null where they are no UTF-8."""
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_text(value) for value in values.to_pylist()], type=pa.string())


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _columns(texts: pa.Array, clocks: pa.Array) -> tuple[pa.Table, NDArray[np.bool_]]:
    """Columns of canonical texts, and which rows also keep the limits that a regular expression cannot know."""
    split = pc.split_pattern(texts, '"')
    pieces = split.values
    bounds = np.asarray(split.offsets)
    first, end = bounds[:-1].astype(np.int64), bounds[1:].astype(np.int64)

    value, has_value = _member(pieces, first + _AFTER_ACTION, "value")
    session, has_session = _member(pieces, value + 2 * has_value, "session_id")
    transaction, has_transaction = _member(pieces, session + 4 * has_session, "transaction_id")
    source = transaction + 4 * has_transaction
    event_time = pieces.take(pa.array(first + _EVENT_TIME)).cast(pa.timestamp("us", "UTC"))
    columns = {
        "event_id": pieces.take(pa.array(first + _EVENT_ID)),
        "event_time": event_time,
        "user_id": pieces.take(pa.array(first + _USER_ID)),
        "item_id": pieces.take(pa.array(first + _ITEM_ID)),
        "action": pieces.take(pa.array(first + _ACTION)),
        "value": _numbers(pieces.take(_where(has_value, value + 1))),
        "session_id": pieces.take(_where(has_session, session + 2)),
        "transaction_id": pieces.take(_where(has_transaction, transaction + 2)),
        "source": pieces.take(pa.array(source + 2)),
    }
    # Behind the source's value comes the last piece, or `,` `context` `:{` and the context's members.
    columns["context"], sound = _contexts(pieces, source + 4 < end, source + 6, end)
    for name in _FIELDS:
        sound &= _at_most(columns[name], limits.MAX_ID_LENGTH)
    latest = np.asarray(clocks.cast(pa.int64())) // _per_ms(clocks.type) + limits.MAX_FUTURE_SECONDS * 1000
    sound &= np.asarray(event_time.cast(pa.int64())) <= latest * 1000
    return pa.table(columns), sound


def _member(pieces: pa.Array, places: NDArray[np.int64], name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`places`, and 1 where the member whose name stands there is `name`, else 0."""
    return places, np.asarray(pc.equal(pieces.take(pa.array(places)), name)).astype(np.int64)


def _where(given: NDArray[np.int64], places: NDArray[np.int64]) -> pa.Array:
    """`places`, null where not given."""
    return pa.array(np.where(given, places, 0), mask=given == 0)


def _numbers(members: pa.Array) -> pa.Array:
    """`:4.5,` to 4.5."""
    return pc.utf8_trim(members, ":,").cast(pa.float64())


def _at_most(texts: pa.Array, length: int) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(pc.less_equal(pc.utf8_length(texts), length), True))


def _contexts(
    pieces: pa.Array, given: NDArray[np.bool_], start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[pa.MapArray, NDArray[np.bool_]]:
    """Maps from the pieces between `start`, where a context's first key is, and `end`; and which keep the limits.

    Keys are every fourth piece, values two behind them.
    """
    counts = np.where(given, (end - start) // 4, 0)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    total = int(offsets[-1])
    owner = np.repeat(np.arange(len(counts)), counts)
    places = start[owner] + 4 * (np.arange(total) - offsets[owner])
    keys, values = pieces.take(pa.array(places)), pieces.take(pa.array(places + 2))
    sound = counts <= limits.MAX_CONTEXT_KEYS
    fits = _at_most(keys, limits.MAX_CONTEXT_LENGTH) & _at_most(values, limits.MAX_CONTEXT_LENGTH)
    sound[owner[~fits]] = False
    if (counts > 1).any():
        sound[_repeated(keys, owner)] = False
    starts = pa.array(offsets.astype(np.int32), mask=np.append(~given, False))
    return pa.MapArray.from_arrays(starts, keys, values), sound


def _repeated(keys: pa.Array, owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows that have a key twice: the last value would count, which a map column does not say."""
    codes: NDArray[np.int64] = np.asarray(keys.dictionary_encode().indices).astype(np.int64)
    distinct = int(codes.max()) + 1
    pairs, counts = np.unique(owner * distinct + codes, return_counts=True)
    rows: NDArray[np.int64] = pairs[counts > 1] // distinct
    return rows


def _per_ms(kind: pa.DataType) -> int:
    return {"ms": 1, "us": 1000, "ns": 1_000_000}[kind.unit]
