"""Rows of a file as events, in columns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from saran.core import limits
from saran.core.datasets import rules
from saran.core.datasets.blocks import EVENT_COLUMNS, EventBlock
from saran.core.datasets.event_ids import row_ids
from saran.core.datasets.rules import Rule
from saran.core.datasets.spec import DatasetSpec, FileEvents
from saran.core.datasets.table import TableBlock, read_table

_ZONE = r"(?i)(Z|[+-]\d\d:?\d\d)$"
_UNREADABLE_TIME = {
    "s": "is not a whole number of seconds since 1970",
    "ms": "is not a whole number of milliseconds since 1970",
    "us": "is not a whole number of microseconds since 1970",
    "text": "is not a date and time (RFC 3339 or YYYY-MM-DD HH:MM:SS)",
}
_CAST = "\0"
"""Prefix of columns that hold a cast value beside the source's text; no header can hold it."""


def read_events(
    spec: DatasetSpec, mapping: FileEvents, path: Path, sha256: bytes, source: str, start_row: int, block_bytes: int
) -> Iterator[EventBlock]:
    """Events of the file at `path` whose decompressed bytes have this checksum."""
    latest = int((time.time() + limits.MAX_FUTURE_SECONDS) * 1000)
    table = read_table(
        path,
        mapping.mapped_columns(),
        delimiter=spec.csv.delimiter,
        header=mapping.header,
        start_row=start_row,
        block_bytes=block_bytes,
    )
    casts, checks = _casts(mapping), _rules(mapping, latest)
    for block in table:
        yield _block(block, mapping, casts, checks, sha256, source, path.name)


def _block(
    block: TableBlock,
    mapping: FileEvents,
    casts: list[pl.Expr],
    checks: list[Rule],
    sha256: bytes,
    source: str,
    file: str,
) -> EventBlock:
    frame = block.frame.with_columns(casts)
    good, wrong = rules.apply(frame, checks)
    rows = pl.Series("row", block.rows)
    if wrong:
        frame, rows = frame.filter(good), rows.filter(good)
    columns = mapping.columns
    text = pl.lit(None, pl.String)
    context = [pl.col(column).alias(key) for key, column in mapping.context.items()]
    events = frame.select(
        row_ids(sha256, rows.to_numpy()),
        pl.from_epoch(_CAST + "time", "ms").dt.replace_time_zone("UTC").alias("event_time"),
        pl.col(columns.user_id).alias("user_id"),
        pl.col(columns.item_id).alias("item_id"),
        (pl.col(_CAST + "action") if columns.action else pl.lit(str(mapping.action))).alias("action"),
        (pl.col(_CAST + "value") if columns.value else pl.lit(None, pl.Float64)).alias("value"),
        (pl.col(columns.session_id) if columns.session_id else text).alias("session_id"),
        (pl.col(columns.transaction_id) if columns.transaction_id else text).alias("transaction_id"),
        pl.lit(source).alias("source"),
        (pl.struct(context) if context else pl.lit(None)).alias("context"),
    ).select(EVENT_COLUMNS)
    return EventBlock(
        events=events,
        event_rows=rows,
        rejected=rules.rejected(block, wrong, sha256, source, file),
        first_row=block.first_row,
        rows=block.count,
        left_out=0,
        bytes_read=block.records.bytes_read,
    )


def _casts(mapping: FileEvents) -> list[pl.Expr]:
    columns = mapping.columns
    casts = [_time(mapping).alias(_CAST + "time")]
    if columns.action is not None:
        words = {word: action.value for word, action in mapping.actions.items()}
        action = pl.col(columns.action).replace_strict(words, default=None, return_dtype=pl.String)
        casts.append(action.alias(_CAST + "action"))
    if columns.value is not None:
        casts.append(pl.col(columns.value).cast(pl.Float64, strict=False).alias(_CAST + "value"))
    return casts


def _time(mapping: FileEvents) -> pl.Expr:
    """Milliseconds since 1970 as Int64; null where the text says no time."""
    text = pl.col(mapping.columns.event_time)
    if mapping.time != "text":
        whole = text.cast(pl.Int64, strict=False)
        if mapping.time == "us":
            return whole // 1000
        # A number of seconds beyond any date would overflow when made milliseconds.
        return whole.clip(-(10**14), 10**14) * 1000 if mapping.time == "s" else whole
    plain = text.str.replace("T", " ", literal=True)
    zoned = plain.str.replace(_ZONE, "")
    naive = pl.coalesce(
        zoned.str.to_datetime(form, time_unit="ms", strict=False)
        for form in ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
    )
    zone = plain.str.extract(r"([+-]\d\d:?\d\d)$", 1).str.replace(":", "", literal=True)
    minutes = zone.str.slice(1, 2).cast(pl.Int64) * 60 + zone.str.slice(3, 2).cast(pl.Int64)
    offset = pl.when(zone.str.starts_with("-")).then(-minutes).otherwise(minutes).fill_null(0)
    dated = plain.str.contains(r"\d\d:\d\d")
    return naive.dt.epoch("ms") - pl.when(dated).then(offset).otherwise(0) * 60_000


def _rules(mapping: FileEvents, latest: int) -> list[Rule]:
    columns, moment = mapping.columns, pl.col(_CAST + "time")
    given = pl.col(columns.event_time)
    checks = [
        *rules.identifier(columns.user_id, f"user_id ({columns.user_id})"),
        *rules.identifier(columns.item_id, f"item_id ({columns.item_id})"),
        Rule(given.is_null(), f"event_time ({columns.event_time}) is missing"),
        Rule(
            given.is_not_null() & moment.is_null(),
            f"event_time ({columns.event_time}) {_UNREADABLE_TIME[mapping.time]}",
        ),
        Rule(moment < 0, f"event_time ({columns.event_time}) lies before 1970"),
        Rule(moment > latest, f"event_time ({columns.event_time}) lies in the future"),
    ]
    if columns.action is not None:
        word = pl.col(columns.action)
        known = ", ".join(mapping.actions)
        checks += [
            Rule(word.is_null(), f"action ({columns.action}) is missing"),
            Rule(
                word.is_not_null() & pl.col(_CAST + "action").is_null(),
                f"action ({columns.action}) is none of {known}",
            ),
        ]
    if columns.value is not None:
        checks += _value_rules(mapping, columns.value)
    for name in ("session_id", "transaction_id"):
        if (column := getattr(columns, name)) is not None:
            checks += rules.identifier(column, f"{name} ({column})", required=False)
    for key, column in mapping.context.items():
        length = pl.col(column).str.len_chars()
        reason = f"context.{key} ({column}) is longer than {limits.MAX_CONTEXT_LENGTH} characters"
        checks.append(Rule(length > limits.MAX_CONTEXT_LENGTH, reason))
    return checks


def _value_rules(mapping: FileEvents, column: str) -> list[Rule]:
    value, text, bounds = pl.col(_CAST + "value"), pl.col(column), mapping.value_range
    smallest = -limits.MAX_ABS_VALUE if bounds.min is None else bounds.min
    largest = limits.MAX_ABS_VALUE if bounds.max is None else bounds.max
    checks = [
        Rule(text.is_not_null() & (value.is_null() | value.is_nan()), f"value ({column}) is not a number"),
        Rule(value.is_not_nan() & (value < smallest), f"value ({column}) is less than {smallest:g}"),
        Rule(value.is_not_nan() & (value > largest), f"value ({column}) is more than {largest:g}"),
    ]
    if bounds.required:
        checks.append(Rule(text.is_null(), f"value ({column}) is missing"))
    return checks
