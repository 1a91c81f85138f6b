"""The topic `users` to silver.users: what was last said of each user, and nothing of who was forgotten.

There is no bronze of it: an older record of a user would be one more place from which to erase, and tells nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pyarrow as pa
from confluent_kafka import Message

from saran.core.erasures import FOREVER, Tombstones
from saran.core.names import Table
from saran.core.settings import Settings
from saran.spark import lake_schemas
from saran.spark.data_files import FileWriter
from saran.spark.erased_rows import any_of
from saran.spark.hashes import hash_texts
from saran.spark.kafka_topics import TopicState
from saran.spark.outcomes import TableCount
from saran.spark.owned_table import Progress, open_owned
from saran.spark.rejected_sink import RejectedSink
from saran.spark.staging import StagedFile
from saran.spark.topic_follower import TopicFollower
from saran.spark.upkeep import Upkeep
from saran.spark.user_records import read_users

_ID: Final = "user_id"

Tell = Callable[[Sequence[TableCount]], None]
"""Hears of the table's rows when they have changed."""


class UserIngest(TopicFollower):
    """Owner of silver.users. `tombstones` gives those that are known: their users stay out."""

    def __init__(
        self,
        settings: Settings,
        topic: TopicState,
        rejected: RejectedSink,
        tombstones: Callable[[], Tombstones],
        tell: Tell,
    ) -> None:
        super().__init__(settings, topic, open_owned(settings, Table.SILVER_USERS, lake_schemas.SILVER_USERS))
        self._rejected = rejected
        self._tombstones = tombstones
        self._tell = tell
        # Erasures come from another thread.
        self._one = threading.Lock()

    def counts(self) -> tuple[TableCount]:
        """Rows of the table as it is now."""
        wrong = self._rejected.rows_of(self.name)
        return (TableCount(self._table.name, self._table.rows, self._table.version, rejected_rows=wrong),)

    def erase(self, wanted: Tombstones, note: Mapping[str, object]) -> None:
        """Remove the users who are forgotten for ever; attributes are no events, and stay where only those are."""
        with self._one:
            self._remove(_forgotten(wanted, self._table.distinct(_ID)), note)
        self._tell(self.counts())

    def upkeep(self, order: Upkeep) -> None:
        """As OwnedTable.upkeep does."""
        with self._one:
            self._table.upkeep(order)

    def _take(self, messages: Sequence[Message], progress: Progress) -> None:
        rows, gone, wrong = read_users(messages)
        note: dict[str, object] = {"records": len(messages)}
        self._reject(wrong, progress, note)
        with self._one:
            kept = _without_forgotten(self._tombstones(), rows, rows.column(_ID).to_pylist())
            known = set(self._table.distinct(_ID)) if gone else set()
            self._remove([user for user in gone if user in known], note)
            # What was removed is removed again when the driver dies before this commit, which has the offsets.
            if kept.num_rows:
                self._table.upsert(kept, _ID, progress, note)
            else:
                self._table.append([], progress, note)
            self._table.compact()
        self._tell(self.counts())

    def _reject(self, wrong: pa.Table, progress: Progress, note: Mapping[str, object]) -> None:
        """Send what is no user to silver.rejected, without what is of users who are forgotten."""
        keys = [(key or b"").decode(errors="replace") for key in wrong.column("key").to_pylist()]
        rows = _without_forgotten(self._tombstones(), wrong, keys)
        layer = self._rejected.layer()
        writer = FileWriter(layer.folder, layer.schema, layer.dictionary, layer.ranged)
        writer.write(rows)
        file = writer.close()
        if file is not None:
            hashes = hash_texts(rows.column("content_id").combine_chunks())
            self._rejected.add([StagedFile(file, hashes)], progress, note)

    def _remove(self, users: Sequence[str], note: Mapping[str, object]) -> None:
        if users:
            self._table.delete(any_of(_ID, "", dict.fromkeys(users, FOREVER)), note)


def _forgotten(tombstones: Tombstones, users: Sequence[str]) -> list[str]:
    return [user for user, until in tombstones.among(users).items() if until == FOREVER]


def _without_forgotten(tombstones: Tombstones, rows: pa.Table, users: Sequence[str]) -> pa.Table:
    """`rows`, of which row i is of user i, without those who were."""
    forgotten = set(_forgotten(tombstones, users))
    return rows.filter(pa.array([user not in forgotten for user in users], pa.bool_()))
