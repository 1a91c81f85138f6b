"""Events and items as JSON, in columns: the value of a Kafka record.

A map (an event's context, an item's attributes) is a Struct column here, one String field a key; a null field is a key
that the row does not have. Nulls are left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from saran.core.entities import EVENT_ARROW, ITEM_ARROW

Piece = str | pl.Expr
"""A part of JSON text: a constant, or an expression that gives it for each row."""

_CLOCK = np.array(
    [f"T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}." for second in range(86_400)], dtype="S10"
)
_MILLISECONDS = np.array([f"{number:03d}Z" for number in range(1000)], dtype="S4")


def encode_events(frame: pl.DataFrame) -> pl.Series:
    """JSON text of each event, in EVENT_ARROW's order; `frame` has its columns (see EventBlock.events)."""
    timed = frame.with_columns(rfc3339(frame["event_time"]).alias("event_time"))
    return _encode(timed.select(EVENT_ARROW.names), "context")


def encode_items(frame: pl.DataFrame) -> pl.Series:
    """JSON text of each item, in ITEM_ARROW's order; `frame` has its columns (see ItemBlock.items)."""
    return _encode(frame.select(ITEM_ARROW.names), "attributes")


def encode_rejected(frame: pl.DataFrame) -> pl.Series:
    """JSON text {"event_id", "source", "error", "raw"} of each wrong row; `frame` has REJECTED_SCHEMA."""
    fields = pl.struct("event_id", "source", pl.col("reason").alias("error"), "raw")
    return frame.select(fields.struct.json_encode().alias("json")).to_series()


def rfc3339(times: pl.Series) -> pl.Series:
    """`2015-06-02T05:02:12.117Z` of each Datetime("ms"), years 1970 to 9999; from tables, faster than strftime.

    Raises ValueError where a time is null or outside these years.
    """
    if times.null_count():
        raise ValueError("event_time is null in a frame of events")
    moments = times.dt.epoch("ms").to_numpy()
    if len(moments) and (moments.min() < 0 or moments.max() >= 253_402_300_800_000):
        raise ValueError("event_time is outside the years 1970 to 9999")
    seconds, milliseconds = np.divmod(moments, 1000)
    days, clock = np.divmod(seconds, 86_400)
    first = int(days.min()) if len(days) else 0
    dates = np.arange(first, (int(days.max()) if len(days) else 0) + 1).astype("datetime64[D]").astype("S10")
    text = np.empty(len(moments), dtype=[("date", "S10"), ("clock", "S10"), ("milliseconds", "S4")])
    text["date"] = dates.take(days - first)
    text["clock"] = _CLOCK.take(clock)
    text["milliseconds"] = _MILLISECONDS.take(milliseconds)
    offsets = np.arange(len(moments) + 1, dtype=np.int64) * 24
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    return pl.Series(times.name, pa.Array.from_buffers(pa.large_string(), len(moments), buffers))


def _encode(frame: pl.DataFrame, mapped: str) -> pl.Series:
    """JSON objects of a frame whose first column has no nulls and whose last column `mapped` is a map."""
    first = frame.columns[0]
    if frame[first].null_count():
        raise ValueError(f"{first} is null: every row needs one")
    pieces: list[Piece] = []
    for name in frame.columns[:-1]:
        member: list[Piece] = [f'{"," if pieces else "{"}"{name}":', *_value(frame[name])]
        pieces += _where_given(frame[name], member)
    schema = frame.schema[mapped]
    if isinstance(schema, pl.Struct) and schema.fields:
        entries = frame[mapped].struct.unnest().rename(lambda key: f"\0{key}")
        frame = frame.drop(mapped).hstack(entries)
        pieces += [f',"{mapped}":{{', *_entries(entries), "}"]
    return frame.select(_joined([*pieces, "}"]).alias("json")).to_series()


def _entries(fields: pl.DataFrame) -> list[Piece]:
    """Members of a map, from columns named by key behind a NUL; a null is a key that is not there."""
    named: list[tuple[pl.Series, list[Piece]]] = [
        (field, [f"{json.dumps(field.name[1:], ensure_ascii=False)}:", *_value(field)]) for field in fields
    ]
    if not any(field.null_count() for field, _ in named):
        return [piece for place, (_, member) in enumerate(named) for piece in ([","] if place else []) + member]
    given = [
        pl.when(pl.col(field.name).is_not_null()).then(_joined(member)).alias(f"\0\0{place}")
        for place, (field, member) in enumerate(named)
        if field.null_count() < len(field)
    ]
    return [pl.concat_str(given, separator=",", ignore_nulls=True)] if given else []


def _where_given(column: pl.Series, member: list[Piece]) -> list[Piece]:
    """`member`, or nothing in the rows where the column is null."""
    if not column.null_count():
        return member
    if column.null_count() == len(column):
        return []
    return [pl.when(pl.col(column.name).is_not_null()).then(_joined(member)).otherwise(pl.lit(""))]


def _value(column: pl.Series) -> list[Piece]:
    """JSON of a column's values that are not null.

    Most texts need no escapes, and gluing quotes to them is several times faster than encoding them.
    """
    if column.dtype == pl.String:
        sample = column.first()
        if sample is not None and (column == sample).all(ignore_nulls=False):
            return [json.dumps(sample, ensure_ascii=False)]
        if not _needs_escapes(column):
            return ['"', pl.col(column.name), '"']
    encoded = pl.struct(pl.col(column.name).alias("v")).struct.json_encode()
    return [encoded.str.strip_prefix('{"v":').str.strip_suffix("}")]


def _needs_escapes(column: pl.Series) -> bool:
    """Whether any text holds a character that JSON does not take as it is; looks at the bytes of all texts at once."""
    texts = column.rename("").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    data = texts.buffers()[2]
    if data is None:
        return False
    used = np.frombuffer(data, dtype=np.uint8)
    return bool(used.min(initial=255) < 0x20 or (used == ord('"')).any() or (used == ord("\\")).any())


def _joined(pieces: Sequence[Piece]) -> pl.Expr:
    """The pieces one after the other; neighbouring constants become one."""
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return pl.concat_str([pl.lit(piece) if isinstance(piece, str) else piece for piece in merged])
