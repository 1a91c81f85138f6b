"""Tables are compacted and vacuumed by their owners: no row changes, and nothing is left of what was erased."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apps.spark.tests.ingest_bench import Bench
from apps.spark.tests.ingest_records import kafka_records
from apps.spark.tests.test_ingest_events import books, event_ids, events, shifted
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from saran.core.errors import SaranError
from saran.core.job_lock import TRAINING, only_one
from saran.core.names import Table
from saran.core.settings import Settings
from saran.spark.commands import app
from saran.spark.maintain import maintain, measure
from saran.spark.owned_table import OwnedTable
from saran.spark.table_owners import OF_JOBS, OF_STREAMS
from saran.spark.upkeep import Upkeep, is_done, upkeep, upkeep_of

NOW = datetime(2026, 5, 1, tzinfo=UTC)
AT_ONCE = Upkeep(NOW, kept_hours=0)
USERS = pa.schema([pa.field("user_id", pa.string()), pa.field("number", pa.int64())])


def write(folder: Path, files: int) -> list[dict[str, Any]]:
    """A version a row, and a file each."""
    rows = [{"user_id": "ab"[number % 2], "number": number} for number in range(files)]
    for row in rows:
        write_deltalake(folder, pa.Table.from_pylist([row], schema=USERS), mode="append")
    return rows


def content(folder: Path, version: int | None = None) -> list[dict[str, Any]]:
    return list(DeltaTable(folder, version=version).to_pyarrow_table().sort_by("number").to_pylist())


def stored(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def test_files_become_one_and_rows_stay(tmp_path: Path) -> None:
    rows = write(tmp_path, 7)
    staged, abandoned = tmp_path / "part-staged.parquet", tmp_path / "part-abandoned.parquet"
    for file in (staged, abandoned):
        pq.write_table(pa.table({"user_id": ["a"], "number": [-1]}), file)
    long_ago = time.time() - 169 * 3600
    os.utime(abandoned, (long_ago, long_ago))

    order = Upkeep(NOW, kept_hours=168)
    upkeep(tmp_path, "a table", order)
    assert content(tmp_path) == rows
    assert len(DeltaTable(tmp_path).file_uris()) == 1
    # Readers of the versions before still have their seven files, and a writer's batch under way is left to it.
    assert len(stored(tmp_path)) == 1 + 7 + 1
    assert staged.exists()
    assert not abandoned.exists()
    assert content(tmp_path, version=3) == rows[:4]

    assert is_done(tmp_path, order)
    assert not is_done(tmp_path, Upkeep(NOW + timedelta(milliseconds=1), kept_hours=168))
    files = stored(tmp_path)
    upkeep(tmp_path, "a table", order)
    assert stored(tmp_path) == files
    assert content(tmp_path) == rows


def test_versions_that_a_manifest_names_stay_readable_unless_rows_of_them_were_erased(tmp_path: Path) -> None:
    write(tmp_path, 6)
    named = {"users": frozenset({3, 5, 99})}
    upkeep(tmp_path, "users", Upkeep(NOW, kept_hours=0, named=named))
    assert [row["number"] for row in content(tmp_path, version=3)] == [0, 1, 2, 3]
    assert len(stored(tmp_path)) == 1 + 6

    owner = OwnedTable(tmp_path, "users", USERS)
    assert owner.delete("user_id = 'a'", {}) == 3
    trained_after = owner.version
    write_deltalake(tmp_path, pa.Table.from_pylist([{"user_id": "b", "number": 7}], schema=USERS), mode="append")
    owner.upkeep(Upkeep(NOW, kept_hours=0, named={"users": frozenset({3, 5, trained_after})}))
    for file in stored(tmp_path):
        assert "a" not in pq.read_table(file).column("user_id").to_pylist()
    assert [row["number"] for row in content(tmp_path, version=trained_after)] == [1, 3, 5]
    assert [row["number"] for row in content(tmp_path)] == [1, 3, 5, 7]
    assert len(stored(tmp_path)) == 2
    with pytest.raises(OSError, match="parquet"):
        content(tmp_path, version=3)


def test_the_versions_are_those_of_the_models_that_there_are(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert upkeep_of(settings, NOW).named == {}
    for version, read in (("one", 4), ("two", 7)):
        folder = settings.models_path / "recommender" / version
        folder.mkdir(parents=True)
        facts = {"name": "recommender", "version": version, "created_at": NOW.isoformat(), "dataset": "test"}
        made = {"synthetic": False, "algorithm": "als", "parameters": {}, "seed": 1, "tables": {"silver.events": read}}
        (folder / "manifest.json").write_text(json.dumps(facts | made))
    assert upkeep_of(settings, NOW).named == {"silver.events": {4, 7}}


def test_every_table_has_one_owner() -> None:
    owned = [*OF_STREAMS, *(name for tables in OF_JOBS.values() for name in tables)]
    assert sorted(owned) == sorted(value for name, value in vars(Table).items() if name.isupper())


def test_a_training_and_the_job_are_one_owner(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(tmp_path / "data/lakehouse/gold/user_segments", 2)
    with only_one(settings, TRAINING), pytest.raises(SaranError, match="another training runs"):
        maintain(settings, patience=0, watch=lambda _: None)
    (done,) = maintain(settings, patience=0, watch=lambda _: None)
    assert (done.before.files, done.after.files, done.after.rows) == (2, 1, 2)


@pytest.mark.spark
def test_the_command_looks_after_every_table_where_no_stream_runs(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(spark, tmp_path)
    ingest = bench.events()
    for batch in range(3):
        ingest(bench.frame(shifted(kafka_records([*events(100 * batch, 10), b"wrong"]), 20 * batch)).coalesce(1), batch)
    write(tmp_path / "data/lakehouse/gold/model_metrics", 4)
    before = measure(bench.settings, Table.SILVER_EVENTS)
    assert before is not None
    assert (before.rows, before.files) == (30, 3)

    monkeypatch.setenv("SARAN_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["maintain", "--json"])
    assert result.exit_code == 0, result.output
    told = {each["table"]: each for each in json.loads(result.stdout)["tables"]}
    facts = {
        name: (each["before"]["files"], each["after"]["files"], each["after"]["rows"]) for name, each in told.items()
    }
    assert facts == {
        Table.BRONZE_EVENTS: (3, 1, 33),
        Table.SILVER_EVENTS: (3, 1, 30),
        Table.SILVER_REJECTED: (1, 1, 1),
        Table.GOLD_MODEL_METRICS: (4, 1, 4),
    }
    silver = told[Table.SILVER_EVENTS]["after"]
    assert silver["stored_files"] == 4
    assert silver["stored_bytes"] == sum(
        file.stat().st_size for file in stored(tmp_path / "data/lakehouse/silver/events")
    )
    assert silver["version"] == told[Table.SILVER_EVENTS]["before"]["version"] + 2

    # The owner goes on where it was: every id is known, and the books are right.
    again = bench.events()
    again(bench.frame(shifted(kafka_records(events(0, 10)), 60)), 0)
    assert books(again) == (43, 30, 1, 12)
    assert bench.ids() == [*event_ids(0, 10), *event_ids(100, 10), *event_ids(200, 10)]


@pytest.mark.spark
def test_rows_leave_only_where_a_setting_says_so_and_no_replay_brings_them_back(
    spark: SparkSession, tmp_path: Path
) -> None:
    bench = Bench(spark, tmp_path)
    ingest = bench.events()
    ingest(bench.frame(kafka_records([*events(0, 10), b"wrong"])), 0)
    time.sleep(0.002)
    between = datetime.now(UTC)
    ingest(bench.frame(shifted(kafka_records([*events(20, 5), b"wrong as well"]), 11)), 1)

    ingest.upkeep(Upkeep(between + timedelta(days=900), kept_hours=0))
    assert books(ingest) == (17, 15, 2, 0)
    ingest.upkeep(Upkeep(between + timedelta(days=8), kept_hours=0, event_days=8))
    assert books(ingest) == (6, 5, 1, 0)
    assert bench.ids() == event_ids(20, 5)
    assert len(stored(tmp_path / "data/lakehouse/silver/events")) == 1
    ingest(bench.frame(shifted(kafka_records(events(0, 10)), 17)), 2)
    assert books(ingest) == (16, 5, 1, 10)
    assert bench.ids() == event_ids(20, 5)
