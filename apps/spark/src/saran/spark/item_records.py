"""Kafka records of `catalog` to rows of silver.items and silver.rejected."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from saran.core.entities import ITEM_ARROW, Item
from saran.spark import lake_schemas
from saran.spark.event_records import judge_records, lineage_columns

STAGED_ITEMS = pa.schema([*lake_schemas.SILVER_ITEMS, pa.field("is_tombstone", pa.bool_(), nullable=False)])
"""Rows of silver.items on their way; of a tombstone only the id, read from the record's key, is known."""


def parse_items(records: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Staged items and rows of silver.rejected; each record is in exactly one of them."""
    gone = pc.and_(pc.is_null(records.column("value")), pc.is_valid(records.column("key")))
    (items, origins), rejected = judge_records(Item, records.filter(pc.invert(gone)), Item.model_dump, ITEM_ARROW)
    tombstones = records.filter(gone)
    ids = [key.decode(errors="replace") for key in tombstones.column("key").to_pylist()]
    bare = pa.Table.from_pylist(
        [{"item_id": item_id, "is_available": False, "categories": [], "attributes": []} for item_id in ids],
        schema=ITEM_ARROW,
    )
    return pa.concat_tables([_staged(items, origins, False), _staged(bare, tombstones, True)]), rejected


def latest(items: pa.Table) -> pa.Table:
    """The newest row of each item, by place in its partition; `items` has STAGED_ITEMS's columns.

    A catalogue is keyed by item_id, so that all of an item is in one partition. Where a client does otherwise, the
    higher partition counts, which is at least the same each time.
    """
    numbered = items.append_column("row", pa.array(range(items.num_rows), pa.int64()))
    ordered = numbered.sort_by([("kafka_partition", "ascending"), ("kafka_offset", "ascending")])
    last = ordered.group_by("item_id", use_threads=False).aggregate([("row", "last")])
    return items.take(last.column("row_last"))


def _staged(items: pa.Table, records: pa.Table, is_tombstone: bool) -> pa.Table:
    columns = {name: items.column(name) for name in items.column_names}
    marks = pa.repeat(pa.scalar(is_tombstone), items.num_rows)
    rows = pa.table({**columns, **lineage_columns(records), "is_tombstone": marks})
    return rows.select(STAGED_ITEMS.names).cast(STAGED_ITEMS)
