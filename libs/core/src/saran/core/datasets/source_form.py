"""Events back in the source's own columns: what `saran batches` writes."""

from __future__ import annotations

import polars as pl

from saran.core.datasets.spec import DatasetSpec, FileEvents

_PLAIN = ("event_time", "user_id", "action", "item_id", "value")
"""Columns of a data set that has no file of events."""


def source_columns(spec: DatasetSpec) -> list[str]:
    """Header of a batch file."""
    return list(spec.events.source_columns if isinstance(spec.events, FileEvents) else _PLAIN)


def to_source_columns(events: pl.DataFrame, spec: DatasetSpec) -> pl.DataFrame:
    """Events (EVENT_COLUMNS) as strings in source_columns(spec): time in the source's unit, the source's words.

    A column that no field of an event comes from is empty. A word is the first that the spec maps to the action.
    """
    mapping = spec.events
    if not isinstance(mapping, FileEvents):
        return events.select(_time("text") if name == "event_time" else pl.col(name).cast(pl.String) for name in _PLAIN)
    known: dict[str, pl.Expr] = {column: pl.col("context").struct.field(key) for key, column in mapping.context.items()}
    for field, column in mapping.columns.model_dump(exclude_none=True).items():
        if field == "event_time":
            known[column] = _time(mapping.time)
        elif field == "action":
            words = {action.value: word for word, action in reversed(mapping.actions.items())}
            known[column] = pl.col("action").replace(words)
        else:
            known[column] = pl.col(field).cast(pl.String)
    return events.select(known.get(column, pl.lit(None, pl.String)).alias(column) for column in mapping.source_columns)


def _time(unit: str) -> pl.Expr:
    moment = pl.col("event_time")
    if unit == "text":
        return moment.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").alias("event_time")
    milliseconds = moment.dt.epoch("ms")
    whole = {"s": milliseconds // 1000, "ms": milliseconds, "us": milliseconds * 1000}[unit]
    return whole.cast(pl.String)
