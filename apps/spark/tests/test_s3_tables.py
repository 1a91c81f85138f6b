"""A table in an S3 store and its only writer: what a writer that was given up for dead can no longer do."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake.exceptions import CommitFailedError
from tests.certificates import write_certificates
from tests.object_store import credentials, make_buckets, store_endpoint

from saran.core.names import Bucket, Table
from saran.core.s3 import S3, Location, S3Path
from saran.core.settings import Settings
from saran.spark import data_files
from saran.spark.delta_log import VersionsGoneError
from saran.spark.hashes import hash_texts
from saran.spark.id_index import open_index
from saran.spark.owned_table import DataFile, OwnedTable, Progress, open_owned
from saran.spark.tables import count_events

pytestmark = pytest.mark.s3

SCHEMA = pa.schema([("event_id", pa.string()), ("n", pa.int64())])


@pytest.fixture
def settings(s3: S3, tmp_path: Path) -> Settings:
    """Tables in the store; a home on disk."""
    return Settings(home=tmp_path, storage="s3://", s3=s3)


def table(settings: Settings) -> OwnedTable:
    """As a new process would open it."""
    return open_owned(settings, Table.SILVER_EVENTS, SCHEMA)


def staged(folder: Location, *ids: str) -> DataFile:
    writer = data_files.FileWriter(folder, SCHEMA, [], ("n",))
    writer.write(pa.table({"event_id": list(ids), "n": range(len(ids))}))
    file = writer.close()
    assert file is not None
    return file


def upto(offset: int, partition: int = 0) -> Progress:
    return Progress("events", "first", {partition: offset})


def ids(owner: OwnedTable) -> list[str]:
    return sorted(owner.read(["event_id"]).column("event_id").to_pylist())


def test_rows_and_offsets_are_one_commit(settings: Settings) -> None:
    owner = table(settings)
    owner.append([staged(owner.path, "a", "b"), staged(owner.path, "c")], upto(3), {"batch": 0})
    again = table(settings)
    assert isinstance(again.path, S3Path)
    assert (again.rows, again.version, ids(again)) == (3, 1, ["a", "b", "c"])
    assert again.next_offset("events", "first", 0) == 3
    assert again.newest("n") == 1
    assert count_events(settings) == 3


def test_a_writer_that_was_given_up_for_dead_cannot_commit(settings: Settings) -> None:
    """It staged the same records as its successor, and wakes up after the successor's commit."""
    zombie, successor = table(settings), table(settings)
    late = staged(zombie.path, "a", "b")
    successor.append([staged(successor.path, "a", "b")], upto(2), {})
    with pytest.raises(CommitFailedError):
        zombie.append([late], upto(2), {})
    assert ids(table(settings)) == ["a", "b"]


def test_of_writers_at_the_same_moment_one_wins_each_version(settings: Settings) -> None:
    """The store refuses the second object of one name: without that, the later commit would bury the earlier."""
    writers = [table(settings) for _ in range(6)]
    files = [staged(writer.path, f"id-{number}") for number, writer in enumerate(writers)]
    together = threading.Barrier(len(writers))
    lost = []

    def commit(number: int) -> None:
        together.wait(timeout=60)
        try:
            writers[number].append([files[number]], upto(1), {})
        except CommitFailedError:
            lost.append(number)

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(len(writers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    (winner,) = set(range(len(writers))) - set(lost)
    found = table(settings)
    assert (ids(found), found.version) == ([f"id-{winner}"], 1)


def test_writers_of_other_partitions_do_not_bury_each_others_rows(settings: Settings) -> None:
    one, two = table(settings), table(settings)
    one.append([staged(one.path, "a")], upto(1, partition=0), {})
    two.append([staged(two.path, "b")], upto(1, partition=1), {})
    assert ids(table(settings)) == ["a", "b"]


def test_rows_are_replaced_by_key(settings: Settings) -> None:
    owner = table(settings)
    owner.append([staged(owner.path, "a", "b")], upto(2), {})
    owner.upsert(pa.table({"event_id": ["b", "c"], "n": [7, 8]}).cast(SCHEMA), "event_id", upto(4), {})
    rows = {row["event_id"]: row["n"] for row in table(settings).read(["event_id", "n"]).to_pylist()}
    assert rows == {"a": 0, "b": 7, "c": 8}


def test_a_file_with_duplicates_is_written_anew_without_them(settings: Settings) -> None:
    owner = table(settings)
    kept = data_files.without(staged(owner.path, "a", "b", "c"), pa.array([True, False, True]), [], ("n",))
    assert kept is not None
    owner.append([kept], upto(3), {})
    assert ids(table(settings)) == ["a", "c"]


def test_the_id_index_is_made_from_the_store_and_catches_up(settings: Settings) -> None:
    owner = table(settings)
    owner.append([staged(owner.path, "a", "b")], upto(2), {})
    index = open_index(settings, "event-ids", owner, "event_id")
    assert index.is_new(hash_texts(pa.array(["a", "c", "b"]))).tolist() == [False, True, False]
    owner.append([staged(owner.path, "c")], upto(3), {})
    later = open_index(settings, "event-ids", owner, "event_id")
    assert (len(later), later.version) == (3, 2)
    assert not later.is_new(hash_texts(pa.array(["c"]))).any()


def test_a_new_pod_takes_the_id_index_from_its_copy(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a row of the table is read for what the copy has."""
    owner = table(settings)
    owner.append([staged(owner.path, "a", "b")], upto(2), {})
    open_index(settings, "event-ids", owner, "event_id").flush()
    monkeypatch.setattr(owner, "values_since", lambda *_: pytest.fail("the table was read"))
    elsewhere = settings.model_copy(update={"home": tmp_path / "other"})
    index = open_index(elsewhere, "event-ids", owner, "event_id")
    assert (len(index), index.version) == (2, 1)
    assert index.is_new(hash_texts(pa.array(["a", "c"]))).tolist() == [False, True]


def test_a_copy_holds_what_its_manifest_names_and_a_broken_one_is_passed_over(
    settings: Settings, tmp_path: Path
) -> None:
    owner = table(settings)
    index = open_index(settings, "event-ids", owner, "event_id")
    copy = settings.locate(settings.bucket(Bucket.CHECKPOINTS)) / "ingest" / "event-ids"
    for number in range(3):
        owner.append([staged(owner.path, f"id-{number}")], upto(number + 1), {})
        index.add(hash_texts(pa.array([f"id-{number}"])), owner.version)
        index.flush()
        local = {path.name for path in (settings.home / "ingest" / "event-ids").iterdir()}
        assert {path.name for path in copy.iterdir()} == local
    next(path for path in copy.iterdir() if path.name.endswith(".ids")).unlink()
    elsewhere = settings.model_copy(update={"home": tmp_path / "other"})
    assert len(open_index(elsewhere, "event-ids", owner, "event_id")) == 3


def test_a_version_whose_file_is_gone_is_told(settings: Settings) -> None:
    owner = table(settings)
    file = staged(owner.path, "a")
    owner.append([file], upto(1), {})
    file.path.unlink()
    with pytest.raises(VersionsGoneError, match="was removed"):
        list(owner.values_since(0, "event_id"))


def test_a_table_in_a_store_with_tls_of_an_own_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_certificates(tmp_path / "tls")
    for name, value in {**credentials(), "SSL_CERT_FILE": ""}.items():
        monkeypatch.setenv(name, value)
    with store_endpoint(tmp_path, made) as endpoint:
        settings = Settings(home=tmp_path, storage="s3://", s3=make_buckets(endpoint, made.authority))
        owner = table(settings)
        owner.append([staged(owner.path, "a", "b")], upto(2), {})
        assert ids(table(settings)) == ["a", "b"]
