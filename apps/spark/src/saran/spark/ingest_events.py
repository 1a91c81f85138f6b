"""The stream `events`: Kafka to bronze.events and silver.events, where each event id stands once, for ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

import pyarrow as pa

from saran.core.erasures import Tombstones
from saran.core.names import Table
from saran.core.settings import Settings
from saran.spark import lake_schemas
from saran.spark.erased_rows import any_of
from saran.spark.event_records import parse_events
from saran.spark.hashes import concat, hash_texts
from saran.spark.id_index import open_index
from saran.spark.owned_table import Progress
from saran.spark.rejected_sink import keep_rows
from saran.spark.staging import SILVER, Layer, Staged
from saran.spark.topic_ingest import Tables, TopicIngest
from saran.spark.upkeep import Upkeep

_ID: Final = "event_id"
_DICTIONARY: Final = ["action", "source", "batch", "context.key_value.key", "context.key_value.value"]
_RANGED: Final = ("event_time",)
_USERS_A_COMMIT: Final = 100


class EventIngest(TopicIngest):
    """Appends the events that are valid and new."""

    TABLES = Tables(Table.BRONZE_EVENTS, Table.SILVER_EVENTS, lake_schemas.SILVER_EVENTS, parse_events)

    def _open(self, settings: Settings) -> None:
        self.index = open_index(settings, "event-ids", self.silver, _ID)

    def close(self) -> None:
        """Write what the index has in memory."""
        self.index.flush()

    def erase(self, wanted: Tombstones, note: dict[str, object]) -> int:
        """Remove what bronze, silver and rejected have of the users, between micro-batches; how many events of silver.

        Of bronze and rejected, the records whose key is the user. Done a second time, it finds nothing.
        """
        silver = wanted.among(self.silver.distinct("user_id"))
        keys = [key.decode(errors="replace") for key in self.bronze.distinct("key")]
        bronze = wanted.among(keys)
        deleted = 0
        for some in _chunks(bronze):
            predicate = any_of("key", "timestamp", some)
            self.bronze.delete(predicate, note)
            self.rejected.erase(predicate, note)
        for some in _chunks(silver):
            deleted += self.silver.delete(any_of("user_id", "event_time", some), note)
        # What is left was in the index before.
        self.index.add(hash_texts(pa.array([], pa.string())), self.silver.version)
        return deleted

    def upkeep(self, order: Upkeep) -> None:
        """Look after the tables, and after what cannot be read; remove rows before, where they do not stay for ever."""
        if (expired := order.expired) is not None:
            note: dict[str, object] = {"event_days": order.event_days}
            self.rejected.erase(expired, note)
            self.silver.delete(expired, note)
            self.bronze.delete(expired, note)
            # An event that left is known on: a replay does not bring it back.
            self.index.add(hash_texts(pa.array([], pa.string())), self.silver.version)
        super().upkeep(order)
        self.rejected.upkeep(order)

    def _silver_layer(self) -> Layer:
        return Layer(self.silver.path, lake_schemas.SILVER_EVENTS, _DICTIONARY, _RANGED, _ID)

    def _commit_silver(self, staged: Staged, progress: Progress, note: dict[str, object]) -> int:
        parts = staged.files.get(SILVER, [])
        hashes = concat(part.hashes for part in parts)
        new = self.index.is_new(hashes)
        files = keep_rows(parts, pa.array(new), _DICTIONARY, _RANGED)
        self.silver.append(files, progress, {**note, "new": int(new.sum())})
        self.index.add(hashes.take(new), self.silver.version)
        return int(new.sum())

    def _duplicates(self, rejected: int) -> int:
        return self.bronze.rows - self.silver.rows - rejected


def _chunks(users: Mapping[str, int]) -> Iterator[dict[str, int]]:
    items = iter(users.items())
    while some := dict(islice(items, _USERS_A_COMMIT)):
        yield some
