"""Kafka records made by hand, as `ingest` gets them from Spark."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa

from saran.core.names import Topic

CLOCK = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
"""Kafka's timestamp of every record here."""


def kafka_records(
    values: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None, *, topic: str = Topic.EVENTS
) -> pa.Table:
    """Records of partition 0 at offsets 0, 1, …"""
    count = len(values)
    return pa.table(
        {
            "key": pa.array(keys if keys is not None else [None] * count, pa.binary()),
            "value": pa.array(values, pa.binary()),
            "topic": pa.array([topic] * count, pa.string()),
            "partition": pa.array([0] * count, pa.int32()),
            "offset": pa.array(range(count), pa.int64()),
            "timestamp": pa.array([CLOCK] * count, pa.timestamp("us", "UTC")),
            "headers": pa.array([[]] * count, pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
        }
    )


def event_json(number: int, **changes: str) -> str:
    """Canonical JSON of event `number`; `changes` replace the JSON text of a member, or add members at the end."""
    members = {
        "event_id": f'"{number:032x}"',
        "event_time": '"2015-06-02T05:02:12.117Z"',
        "user_id": f'"{number % 10}"',
        "item_id": f'"{number % 7}"',
        "action": '"view"',
        "source": '"test"',
        "context": f'{{"batch":"{number // 10_000 + 1}"}}',
    }
    return "{" + ",".join(f'"{name}":{text}' for name, text in {**members, **changes}.items()) + "}"
