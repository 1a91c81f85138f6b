"""The stream `catalog`: Kafka to bronze.catalog and silver.items, where the newest record of an item counts.

A tombstone (a record without a value) makes the item unavailable and keeps its row: events of the past still name it,
and pages need its title. A tombstone of an unknown item changes nothing.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from saran.core.names import Table
from saran.core.s3 import Location, open_input
from saran.core.settings import Settings
from saran.spark import lake_schemas
from saran.spark.item_records import STAGED_ITEMS, latest, parse_items
from saran.spark.owned_table import Progress
from saran.spark.staging import SILVER, Layer, Staged
from saran.spark.topic_ingest import Tables, TopicIngest

_ID: Final = "item_id"
_DICTIONARY: Final = ["categories.list.element", "age_rating", "release_date"]
_OF_TOMBSTONE: Final = ("is_available", "ingested_at", "kafka_partition", "kafka_offset")


class CatalogIngest(TopicIngest):
    """Replaces what is known of an item by its newest record."""

    TABLES = Tables(Table.BRONZE_CATALOG, Table.SILVER_ITEMS, lake_schemas.SILVER_ITEMS, parse_items)

    def _open(self, settings: Settings) -> None:
        del settings
        # Parsed items wait for the driver here; readers and vacuum of Delta ignore names that begin with `_`.
        self._scratch = self.silver.path / "_staged"
        self._scratch.mkdir(exist_ok=True)
        self._clean()

    def _silver_layer(self) -> Layer:
        return Layer(self._scratch, STAGED_ITEMS, _DICTIONARY, ())

    def _commit_silver(self, staged: Staged, progress: Progress, note: dict[str, object]) -> int:
        paths = [part.file.path for part in staged.files.get(SILVER, [])]
        changed = self._changed(paths)
        if changed.num_rows:
            self.silver.upsert(changed, _ID, progress, note)
        else:
            self.silver.append([], progress, note)
        self._clean()
        return staged.rows(SILVER)

    def _changed(self, paths: list[Location]) -> pa.Table:
        """The new rows of silver.items by the staged files, each item once."""
        items = latest(pa.concat_tables([STAGED_ITEMS.empty_table(), *map(_read_staged, paths)]))
        gone = items.column("is_tombstone")
        rows = items.filter(pc.invert(gone)).select(lake_schemas.SILVER_ITEMS.names)
        changed = pa.concat_tables([rows, self._unavailable(items.filter(gone))])
        return changed.cast(lake_schemas.SILVER_ITEMS)

    def _unavailable(self, tombstones: pa.Table) -> pa.Table:
        """The known rows of the tombstones' items, no longer available."""
        if not tombstones.num_rows:
            return lake_schemas.SILVER_ITEMS.empty_table()
        names = lake_schemas.SILVER_ITEMS.names
        ids = tombstones.column(_ID).combine_chunks()
        known = self.silver.read(names)
        known = known.filter(pc.is_in(known.column(_ID), value_set=ids))
        news = tombstones.take(pc.index_in(known.column(_ID), value_set=ids))
        columns = {name: (news if name in _OF_TOMBSTONE else known).column(name) for name in names}
        return pa.table(columns).cast(lake_schemas.SILVER_ITEMS)

    def _clean(self) -> None:
        for path in self._scratch.iterdir():
            path.unlink()


def _read_staged(path: Location) -> pa.Table:
    with open_input(path) as source:
        return pq.read_table(source, schema=STAGED_ITEMS)
