"""Kafka records of `events` to rows of silver.events and silver.rejected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from saran.core.entities import EVENT_ARROW, Event
from saran.core.names import CONTEXT_BATCH
from saran.core.verdicts import Rejection, judge
from saran.spark import lake_schemas
from saran.spark.event_columns import read_canonical

_BATCH_PATTERN: Final = "^[1-9][0-9]{0,8}$"


def bronze_rows(records: pa.Table) -> pa.Table:
    """Records of any topic as rows of bronze."""
    return _with_columns(records, ingested_at=_now(records.num_rows)).select(lake_schemas.BRONZE.names)


def parse_events(records: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Rows of silver.events and of silver.rejected; each record is in exactly one of them."""
    values = records.column("value").combine_chunks()
    clocks = records.column("timestamp").combine_chunks()
    events, canonical = read_canonical(values, clocks)
    lineage = records.filter(pa.array(canonical))
    rest = records.filter(pa.array(~canonical))
    careful, rejected = judge_records(Event, rest, _event_row, EVENT_ARROW)
    good = pa.concat_tables([_silver(events, lineage), _silver(*careful)])
    return good, rejected


def judge_records(
    entity: type[BaseModel],
    records: pa.Table,
    to_row: Callable[[Any], dict[str, object]],
    schema: pa.Schema,
) -> tuple[tuple[pa.Table, pa.Table], pa.Table]:
    """Judge records one by one: ((entities in `schema`, their records), rows of silver.rejected)."""
    clocks = pc.cast(records.column("timestamp"), pa.timestamp("ms", "UTC")).cast(pa.int64()).to_pylist()
    values = records.column("value").to_pylist()
    verdicts = [judge(entity, value, clock) for value, clock in zip(values, clocks, strict=True)]
    wrong = np.array([isinstance(verdict, Rejection) for verdict in verdicts], dtype=np.bool_)
    rows = [to_row(verdict) for verdict in verdicts if not isinstance(verdict, Rejection)]
    rejections = [verdict for verdict in verdicts if isinstance(verdict, Rejection)]
    good = pa.Table.from_pylist(rows, schema=schema)
    return (good, records.filter(pa.array(~wrong))), _rejected(records.filter(pa.array(wrong)), rejections)


def lineage_columns(records: pa.Table) -> dict[str, pa.ChunkedArray | pa.Array]:
    """Where each row came from and when it was read."""
    return {
        "ingested_at": _now(records.num_rows),
        "kafka_partition": records.column("partition"),
        "kafka_offset": records.column("offset"),
    }


def _event_row(event: Event) -> dict[str, object]:
    moment = event.event_time.astimezone(UTC)
    return {
        **event.model_dump(exclude={"event_time", "action"}),
        "event_time": moment.replace(microsecond=moment.microsecond // 1000 * 1000),
        "action": event.action.value,
    }


def _silver(events: pa.Table, records: pa.Table) -> pa.Table:
    batch = pc.map_lookup(events.column("context"), CONTEXT_BATCH, "first")
    number = pc.if_else(pc.fill_null(pc.match_substring_regex(batch, _BATCH_PATTERN), False), batch, None)
    rows = _with_columns(events, batch=number.cast(pa.int32()), **lineage_columns(records))
    return rows.select(lake_schemas.SILVER_EVENTS.names).cast(lake_schemas.SILVER_EVENTS)


def _rejected(records: pa.Table, rejections: Sequence[Rejection]) -> pa.Table:
    values, keys = records.column("value").to_pylist(), records.column("key").to_pylist()
    topics = records.column("topic").to_pylist()
    raw = [None if value is None else value.decode(errors="backslashreplace") for value in values]
    rows = _with_columns(
        records,
        event_id=pa.array([verdict.event_id for verdict in rejections], pa.string()),
        reason=pa.array([verdict.reason for verdict in rejections], pa.string()),
        raw=pa.array(raw, pa.string()),
        ingested_at=_now(records.num_rows),
        content_id=pa.array(map(_content_id, topics, keys, values), pa.string()),
    )
    return rows.select(lake_schemas.REJECTED.names).cast(lake_schemas.REJECTED)


def _content_id(topic: str, key: bytes | None, value: bytes | None) -> str:
    """Equal for records that are one record sent twice."""
    digest = blake2b(digest_size=16)
    for part in (topic.encode(), key, value):
        digest.update(b"-" if part is None else len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _with_columns(table: pa.Table, **columns: pa.ChunkedArray | pa.Array) -> pa.Table:
    known = {name: table.column(name) for name in table.column_names}
    return pa.table({**known, **columns})


def _now(rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(datetime.now(UTC), pa.timestamp("us", "UTC")), rows)
