"""Columns of the tables that `ingest` owns. Delta keeps times in microseconds; ours are whole milliseconds."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from saran.core.entities import EVENT_ARROW, ITEM_ARROW, USER_ARROW

_TIME: Final = pa.timestamp("us", "UTC")


def _lake(schema: pa.Schema) -> list[pa.Field]:
    return [column.with_type(_TIME) if pa.types.is_timestamp(column.type) else column for column in schema]


BRONZE: Final = pa.schema(
    [
        pa.field("value", pa.binary()),
        pa.field("key", pa.binary()),
        pa.field("headers", pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", _TIME, nullable=False),
        pa.field("ingested_at", _TIME, nullable=False),
    ]
)
"""Records as Kafka gave them: (topic, partition, offset) is unique."""

SILVER_EVENTS: Final = pa.schema(
    [
        *_lake(EVENT_ARROW),
        pa.field("batch", pa.int32()),
        pa.field("ingested_at", _TIME, nullable=False),
        pa.field("kafka_partition", pa.int32(), nullable=False),
        pa.field("kafka_offset", pa.int64(), nullable=False),
    ]
)
"""Valid events, each event_id once. `batch` is the micro-batch of the load, from the event's context."""

SILVER_ITEMS: Final = pa.schema(
    [
        *_lake(ITEM_ARROW),
        pa.field("ingested_at", _TIME, nullable=False),
        pa.field("kafka_partition", pa.int32(), nullable=False),
        pa.field("kafka_offset", pa.int64(), nullable=False),
    ]
)
"""The newest state of each item."""

SILVER_USERS: Final = pa.schema(
    [
        *USER_ARROW,
        pa.field("ingested_at", _TIME, nullable=False),
        pa.field("kafka_partition", pa.int32(), nullable=False),
        pa.field("kafka_offset", pa.int64(), nullable=False),
    ]
)
"""What was last said of each user."""

REJECTED: Final = pa.schema(
    [
        pa.field("event_id", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("raw", pa.string()),
        pa.field("value", pa.binary()),
        pa.field("key", pa.binary()),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", _TIME, nullable=False),
        pa.field("ingested_at", _TIME, nullable=False),
        pa.field("content_id", pa.string(), nullable=False),
    ]
)
"""Records that are no entity: `raw` is the value for people to read (bytes that are no UTF-8 as \\xNN), `value` its
bytes, `content_id` a hash of topic, key and value, by which a replayed record is known."""

ERASURES: Final = pa.schema(
    [
        pa.field("subject", pa.string(), nullable=False),
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("requested_at", _TIME, nullable=False),
        pa.field("until", _TIME),
        pa.field("erased_at", _TIME, nullable=False),
    ]
)
"""Tombstones, one a pseudonym: events up to `until`, or where it is null of any time, enter no table."""
