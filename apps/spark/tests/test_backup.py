"""Backup and restore of tables, models, indexes and database, on disk and in a store, with what can go wrong."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from pydantic import SecretStr

from saran.core.errors import SaranError
from saran.core.names import Bucket, Table
from saran.core.s3 import S3, S3Path, delta_options
from saran.core.settings import BackupStore, Settings
from saran.core.stored_files import files_below
from saran.spark import __main__ as image
from saran.spark import streams
from saran.spark.backup import database
from saran.spark.backup.contents import log_files, pin_tables
from saran.spark.backup.create import create
from saran.spark.backup.manifest import MANIFEST, Manifest, backups, read_manifest
from saran.spark.backup.prune import prune
from saran.spark.backup.restore import check, restore
from saran.spark.backup.unfinished import require_finished

pytestmark = pytest.mark.postgres

OFFSETS = "kafka/events/some-topic-id/0"
MOMENT = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path, postgres_url: str) -> Settings:
    return Settings(home=tmp_path / "home", database_url=SecretStr(postgres_url))


@pytest.fixture
def empty(tmp_path: Path, postgres_url: str, settings: Settings) -> Settings:
    """A home without anything, whose database is emptied by `wipe`."""
    return Settings(home=tmp_path / "other", database_url=SecretStr(postgres_url))


def quiet(what: str, done: int, total: int) -> None:
    assert 0 <= done <= max(total, done), what


def add(settings: Settings, table: str, *ids: int) -> None:
    """Append rows whose commit says that Kafka was read up to the last id."""
    folder = settings.table_folder(table)
    write_deltalake(
        str(folder),
        pa.table({"id": pa.array(ids, type=pa.int64())}),
        mode="append",
        storage_options=delta_options(folder),
        commit_properties=CommitProperties(app_transactions=[Transaction(OFFSETS, ids[-1] + 1)]),
    )


def opened(settings: Settings, table: str) -> DeltaTable:
    folder = settings.table_folder(table)
    return DeltaTable(str(folder), storage_options=delta_options(folder))


def ids(settings: Settings, table: str) -> list[int]:
    return sorted(opened(settings, table).to_pyarrow_table().column("id").to_pylist())


def fill(settings: Settings) -> None:
    for table in (Table.BRONZE_EVENTS, Table.SILVER_EVENTS):
        add(settings, table, 1, 2)
        add(settings, table, 3)
    version = settings.models_path / "recommender" / "v1"
    version.mkdir(parents=True)
    (version / "factors.npy").write_bytes(b"factors")
    (version / "manifest.json").write_text("{}")
    half = settings.models_path / "recommender" / "v2"
    half.mkdir(parents=True)
    (half / "factors.npy").write_bytes(b"half")
    (settings.models_path / "recommender" / "champion").write_text("v1\n")
    # What MLflow was told: after a loss it must be told again.
    (settings.models_path / "recommender" / "registry.json").write_text("{}")
    with psycopg.connect(settings.postgres_url) as connection:
        connection.execute(
            "INSERT INTO online.user_history VALUES ('ä\t\\', '{a,\"b,c\"}', '{1,2}', '{NaN,1.5}', '{1,2}', '{-7,8}')"
        )
        connection.execute("INSERT INTO online.offsets VALUES ('events', 0, 99)")
        connection.execute("INSERT INTO analytics.ingest_batches VALUES ('q', 7, %s, 0.5, 3, 3, 0, 0)", (MOMENT,))


def wipe(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE online.user_history, online.offsets, analytics.ingest_batches")


def histories(settings: Settings) -> list[Any]:
    with psycopg.connect(settings.postgres_url) as connection:
        return connection.execute("SELECT user_id, item_ids, event_hashes FROM online.user_history").fetchall()


def test_all_comes_back(settings: Settings, empty: Settings, tmp_path: Path) -> None:
    fill(settings)
    made = create(settings, tmp_path / "backups", quiet)
    assert made.tables[Table.SILVER_EVENTS].model_dump() == {"version": 1, "rows": 3}
    assert made.champions == {"recommender": "v1"}
    kept = histories(settings)
    wipe(settings.postgres_url)
    restore(empty, tmp_path / "backups", made, quiet)

    for table in (Table.BRONZE_EVENTS, Table.SILVER_EVENTS):
        assert ids(empty, table) == [1, 2, 3]
        assert opened(empty, table).transaction_version(OFFSETS) == 4
    models = {file.name: file.place.read_bytes() for file in files_below(empty.models_path)}
    assert models == {
        "recommender/champion": b"v1\n",
        "recommender/v1/factors.npy": b"factors",
        "recommender/v1/manifest.json": b"{}",
    }
    assert histories(empty) == kept == [("ä\t\\", ["a", "b,c"], [-7, 8])]
    with psycopg.connect(empty.postgres_url) as connection:
        assert connection.execute("SELECT batch_id, finished_at FROM analytics.ingest_batches").fetchall() == [
            (7, MOMENT)
        ]
        # The worker reads Kafka anew: a topic that was made again begins at 0, and a history counts an event once.
        assert connection.execute("SELECT count(*) FROM online.offsets").fetchone() == (0,)
    add(empty, Table.SILVER_EVENTS, 4)
    assert ids(empty, Table.SILVER_EVENTS) == [1, 2, 3, 4]


def test_the_next_backup_copies_only_what_is_new(settings: Settings, empty: Settings, tmp_path: Path) -> None:
    fill(settings)
    first = create(settings, tmp_path / "backups", quiet)
    add(settings, Table.SILVER_EVENTS, 4)
    second = create(settings, tmp_path / "backups", quiet)
    new = sorted(entry.path for entry in second.files if entry.backup == second.name)
    assert [path.rsplit("/", 1)[0] for path in new] == [
        *["database"] * 7,  # the tables of PostgreSQL: each backup has all of their rows
        "lakehouse/silver/events/_delta_log",
        "lakehouse/silver/events",
    ]
    assert second.copied_bytes == sum(file.size for file in files_below(tmp_path / "backups" / second.name)) - (
        (tmp_path / "backups" / second.name / MANIFEST).stat().st_size
    )
    assert prune(tmp_path / "backups", 1) == [first.name]
    assert backups(tmp_path / "backups") == [second.name]
    check(tmp_path / "backups", second, quiet)
    wipe(settings.postgres_url)
    restore(empty, tmp_path / "backups", second, quiet)
    assert ids(empty, Table.SILVER_EVENTS) == [1, 2, 3, 4]


def test_pruning_removes_what_no_backup_needs(settings: Settings, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    fill(settings)
    first = create(settings, place, quiet)
    unfinished = place / "20200101T000000.000Z"
    (unfinished / "lakehouse").mkdir(parents=True)
    (unfinished / "lakehouse" / "half").write_text("half")
    opened(settings, Table.SILVER_EVENTS).optimize.compact()
    second = create(settings, place, quiet)
    prune(place, 1)
    assert not unfinished.exists()
    needed = {(entry.backup, entry.path) for entry in second.files}
    left = {tuple(file.name.split("/", 1)) for file in files_below(place)}
    assert left == needed | {(second.name, MANIFEST)}
    # Silver's two files became one, and bronze's are still those of the first.
    assert any(backup == first.name and "bronze" in path for backup, path in needed)
    assert not any(backup == first.name and path.endswith(".parquet") and "silver" in path for backup, path in left)


def test_a_backup_under_way_is_none_and_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    fill(settings)
    made = create(settings, place, quiet)
    (place / made.name / MANIFEST).unlink()
    assert backups(place) == []
    with pytest.raises(SaranError, match="there is no backup at"):
        read_manifest(place)
    prune(place, 1)
    check(place, made, quiet)


def test_silver_is_looked_at_before_bronze(settings: Settings) -> None:
    """Ingest commits silver last: so that the copy's bronze is never behind its silver."""
    for table in (Table.BRONZE_CATALOG, Table.BRONZE_EVENTS, Table.SILVER_REJECTED, Table.SILVER_EVENTS):
        add(settings, table, 1)
    add(settings, Table.GOLD_POPULARITY, 1)
    pinned = pin_tables(settings)
    assert [table.name for table in pinned] == [
        Table.GOLD_POPULARITY,
        Table.SILVER_EVENTS,
        Table.SILVER_REJECTED,
        Table.BRONZE_CATALOG,
        Table.BRONZE_EVENTS,
    ]
    add(settings, Table.SILVER_EVENTS, 2)
    sources = [source.path for source in pinned[1].sources()]
    assert len(sources) == 2
    assert sources[1].endswith("_delta_log/00000000000000000000.json")


def test_a_log_is_copied_from_its_newest_checkpoint_on(settings: Settings, empty: Settings, tmp_path: Path) -> None:
    for number in range(5):
        add(settings, Table.SILVER_EVENTS, number)
        if number == 2:
            opened(settings, Table.SILVER_EVENTS).create_checkpoint()
    folder = settings.table_folder(Table.SILVER_EVENTS)
    names = [file.name for file in log_files(folder / "_delta_log", 3)]
    assert names == [
        "00000000000000000002.checkpoint.parquet",
        "00000000000000000002.json",
        "00000000000000000003.json",
    ]
    made = create(settings, tmp_path / "backups", quiet)
    restore(empty, tmp_path / "backups", made, quiet)
    assert ids(empty, Table.SILVER_EVENTS) == [0, 1, 2, 3, 4]
    assert opened(empty, Table.SILVER_EVENTS).transaction_version(OFFSETS) == 5


def test_data_is_not_written_over(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    made = create(settings, tmp_path / "backups", quiet)
    add(settings, Table.SILVER_EVENTS, 4)
    wrong = "there is data already: bronze.events, silver.events, models in .*, online.user_history"
    with pytest.raises(SaranError, match=wrong):
        restore(settings, tmp_path / "backups", made, quiet)
    assert ids(settings, Table.SILVER_EVENTS) == [1, 2, 3, 4]
    restore(settings, tmp_path / "backups", made, quiet, force=True)
    assert ids(settings, Table.SILVER_EVENTS) == [1, 2, 3]
    assert len(histories(settings)) == 1


@pytest.mark.parametrize("kind", [".parquet", "00000000000000000001.json", ".copy.zstd", "champion"])
@pytest.mark.parametrize("force", [False, True])
def test_a_broken_backup_changes_nothing(
    settings: Settings, empty: Settings, tmp_path: Path, kind: str, force: bool
) -> None:
    fill(settings)
    made = create(settings, tmp_path / "backups", quiet)
    entry = next(entry for entry in made.files if entry.path.endswith(kind))
    broken = entry.place(tmp_path / "backups")
    broken.write_bytes(broken.read_bytes()[:-1] + b"!")
    if not force:
        wipe(settings.postgres_url)
    with pytest.raises(SaranError, match="differs from its checksum"):
        restore(settings if force else empty, tmp_path / "backups", made, quiet, force=force)
    if force:
        assert ids(settings, Table.SILVER_EVENTS) == [1, 2, 3]
        return
    assert not [file for file in files_below(empty.home) if "_delta_log" in file.name or "champion" in file.name]
    assert histories(empty) == []


def test_an_empty_home_is_no_backup(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SaranError, match="there is nothing to back up"):
        create(settings, tmp_path / "backups", quiet)
    assert backups(tmp_path / "backups") == []


@pytest.mark.s3
def test_from_a_store_to_a_prefix_of_a_bucket_and_back(s3: S3, postgres_url: str, tmp_path: Path) -> None:
    location = f"s3://{s3.bucket_prefix}{Bucket.MOVIES}/some/backups/"
    settings = Settings(home=tmp_path, mode="cluster", s3=s3, database_url=SecretStr(postgres_url))
    fill(settings)
    place = settings.backups(location)
    assert isinstance(place, S3Path)
    first = create(settings, place, quiet)
    add(settings, Table.SILVER_EVENTS, 4)
    second = create(settings, place, quiet)
    # Tables of PostgreSQL are copied each time.
    copied = sum(entry.path.startswith("database/") for entry in first.files)
    assert sum(entry.backup == first.name for entry in second.files) == len(first.files) - copied
    assert prune(place, 1) == [first.name]
    with pytest.raises(SaranError, match="there is data already"):
        restore(settings, place, second, quiet)
    restore(settings, place, read_manifest(place), quiet, force=True)
    assert ids(settings, Table.SILVER_EVENTS) == [1, 2, 3, 4]
    assert (settings.models_path / "recommender" / "champion").read_text() == "v1\n"
    assert len(histories(settings)) == 1


def test_another_store_has_its_own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARAN_BACKUP__S3__ENDPOINT", "https://backups.example.org")
    monkeypatch.setenv("SARAN_BACKUP__LOCATION", "s3a://elsewhere/shop")
    place = Settings().backups()
    assert place == S3Path(BackupStore(endpoint="https://backups.example.org", variables="BACKUP_"), "elsewhere/shop")


def test_a_manifest_survives_json(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    made = create(settings, tmp_path / "backups", quiet)
    assert read_manifest(tmp_path / "backups") == made
    assert Manifest.model_validate(json.loads(made.model_dump_json())) == made


def test_a_restore_that_was_cut_off_is_begun_again(
    settings: Settings, empty: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(settings)
    made = create(settings, tmp_path / "backups", quiet)
    wipe(settings.postgres_url)
    whole = database.load

    def cut_off(url: str, places: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(database, "load", cut_off)
    with pytest.raises(KeyboardInterrupt):
        restore(empty, tmp_path / "backups", made, quiet)
    assert not DeltaTable.is_deltatable(empty.table_path(Table.SILVER_EVENTS))
    with pytest.raises(SaranError, match=f"the restore of {made.name} has not ended"):
        streams.run(empty, threading.Event())
    monkeypatch.setattr(database, "load", whole)
    restore(empty, tmp_path / "backups", made, quiet)
    assert ids(empty, Table.SILVER_EVENTS) == [1, 2, 3]
    require_finished(empty)


def test_the_image_has_its_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["saran.spark", "restore"])
    with pytest.raises(SystemExit) as ended:
        image.main()
    assert ended.value.code == 1
    assert "no place for backups is named: name a folder or s3://bucket/prefix" in capsys.readouterr().err
