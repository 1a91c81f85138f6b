"""Small silver tables for the trainer's tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
from deltalake import write_deltalake

from saran.core.entities import Item
from saran.core.names import Table
from saran.core.settings import Settings
from saran.spark.lake_schemas import SILVER_EVENTS, SILVER_ITEMS

START = datetime(2020, 1, 1, tzinfo=UTC)


class Row(NamedTuple):
    """An event; `second` is its time after START, `event_id` made from its place when None."""

    user: str
    item: str
    second: int
    action: str = "view"
    value: float | None = None
    event_id: str | None = None
    source: str = "test"
    batch: int | None = None


def write_events(settings: Settings, rows: Sequence[Row]) -> None:
    """Append `rows` to silver.events; a row's position is its offset."""
    records = [
        {
            "event_id": row.event_id or f"event-{place}",
            "event_time": START + timedelta(seconds=row.second),
            "user_id": row.user,
            "item_id": row.item,
            "action": row.action,
            "value": row.value,
            "source": row.source,
            "batch": row.batch,
            "ingested_at": START,
            "kafka_partition": 0,
            "kafka_offset": place,
        }
        for place, row in enumerate(rows)
    ]
    _append(settings, Table.SILVER_EVENTS, records, SILVER_EVENTS)


def write_items(settings: Settings, titles: dict[str, str]) -> None:
    """Append items of the given titles to silver.items."""
    records = [
        {
            "item_id": item,
            "title": title,
            "categories": ["a", "b"],
            "is_available": True,
            "attributes": [("colour", "red")],
            "ingested_at": START,
            "kafka_partition": 0,
            "kafka_offset": place,
        }
        for place, (item, title) in enumerate(titles.items())
    ]
    _append(settings, Table.SILVER_ITEMS, records, SILVER_ITEMS)


def write_full_items(settings: Settings, items: Sequence[Item]) -> None:
    """Append items with all that they say to silver.items."""
    records = [
        {
            **item.model_dump(),
            "attributes": list(item.attributes.items()),
            "ingested_at": START,
            "kafka_partition": 0,
            "kafka_offset": place,
        }
        for place, item in enumerate(items)
    ]
    _append(settings, Table.SILVER_ITEMS, records, SILVER_ITEMS)


def _append(settings: Settings, table: str, records: Sequence[Mapping[str, object]], schema: pa.Schema) -> None:
    write_deltalake(settings.table_path(table), pa.Table.from_pylist(records, schema=schema), mode="append")
