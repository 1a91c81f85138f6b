"""silver.users has what was last said of each user, once, and nothing of who was forgotten."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message
from deltalake import DeltaTable

from saran.core.erasures import FOREVER, Tombstones
from saran.core.names import Table, Topic
from saran.core.pseudonym import pseudonyms
from saran.core.settings import Settings
from saran.spark.ingest_users import UserIngest
from saran.spark.kafka_topics import TopicState
from saran.spark.outcomes import TableCount
from saran.spark.owned_table import OwnedTable, Progress
from saran.spark.rejected_sink import RejectedSink

KEY = b"k" * 32
USERS = TopicState(Topic.USERS, "first", {0: 0})
Record = tuple[str, dict[str, Any] | bytes | None]


class Bench:
    """Opens the tables as a new process would, and keeps what was told and sent."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.tombstones = Tombstones()
        self.letters: list[dict[str, Any]] = []
        self.counts: Sequence[TableCount] = ()
        self.open()

    def open(self) -> None:
        sink = RejectedSink(self.settings, self.letters.extend)
        self.ingest = UserIngest(self.settings, USERS, sink, lambda: self.tombstones, self._tell)

    def _tell(self, counts: Sequence[TableCount]) -> None:
        self.counts = counts

    def take(self, *records: Record, first: int = 0) -> None:
        """Records (key, user without the id, or raw bytes, or None for a tombstone) at offsets `first`, …"""
        messages = [
            Message(
                topic=Topic.USERS,
                partition=0,
                offset=offset,
                key=key.encode(),
                value=json.dumps({"user_id": key, **value}).encode() if isinstance(value, dict) else value,
                timestamp=(1, 1_767_323_045_000),
            )
            for offset, (key, value) in enumerate(records, start=first)
        ]
        self.ingest._take(messages, Progress(Topic.USERS, "first", {0: first + len(records)}))

    def forget(self, user: str) -> None:
        """A tombstone for ever, and the erasure that it comes with."""
        (subject,) = pseudonyms([user], KEY)
        wanted = Tombstones().with_more({subject: FOREVER}, KEY)
        self.tombstones = self.tombstones.with_more(wanted.subjects, KEY)
        self.ingest.erase(wanted, {})

    def users(self) -> dict[str, tuple[int | None, dict[str, str]]]:
        found = DeltaTable(self.settings.table_path(Table.SILVER_USERS)).to_pyarrow_table().to_pylist()
        users = {row["user_id"]: (row["birth_year"], dict(row["attributes"])) for row in found}
        assert len(users) == len(found)
        return users


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_newest_record_of_a_user_counts(bench: Bench) -> None:
    bench.take(("a", {"birth_year": 1990}), ("b", {"attributes": {"city": "Bandung"}}), ("a", {"birth_year": 1991}))
    assert bench.users() == {"a": (1991, {}), "b": (None, {"city": "Bandung"})}
    bench.take(("b", None), ("c", {}), ("c", None), ("d", None), ("d", {"birth_year": 1970}), first=3)
    assert bench.users() == {"a": (1991, {}), "d": (1970, {})}
    assert [(count.table, count.rows) for count in bench.counts] == [(Table.SILVER_USERS, 2)]
    bench.open()
    assert bench.ingest._first(0) == 8


def test_what_is_no_user_is_rejected_with_its_reason_once(bench: Bench) -> None:
    wrong: list[Record] = [("a", {"birth_year": 3000}), ("b", b"no json"), ("c", {"birth_year": 1990})]
    bench.take(*wrong)
    bench.open()
    bench.take(*wrong)
    assert set(bench.users()) == {"c"}
    assert sorted(letter["key"] for letter in bench.letters) == [b"a", b"b"]
    assert "birth_year" in next(letter["reason"] for letter in bench.letters if letter["key"] == b"a")
    assert [count.rejected_rows for count in bench.counts] == [2]


def test_who_was_forgotten_is_gone_and_stays_gone(bench: Bench) -> None:
    said: list[Record] = [("o'hara", {"birth_year": 1990}), ("stays", {})]
    bench.take(*said)
    bench.forget("o'hara")
    assert set(bench.users()) == {"stays"}
    bench.take(*said, ("o'hara", b"no json"), first=2)
    assert set(bench.users()) == {"stays"}
    assert bench.letters == []


def test_a_death_between_its_commits_is_harmless(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.take(("a", {}), ("b", {}))
    second: list[Record] = [("a", None), ("c", {})]

    def dying(self: OwnedTable, *_: Any) -> None:
        raise RuntimeError("died")

    with monkeypatch.context() as patch:
        patch.setattr(OwnedTable, "upsert", dying)
        with pytest.raises(RuntimeError, match="died"):
            bench.take(*second, first=2)
    bench.open()
    assert bench.ingest._first(0) == 2
    bench.take(*second, first=2)
    assert set(bench.users()) == {"b", "c"}
    assert bench.ingest._first(0) == 4
