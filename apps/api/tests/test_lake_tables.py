"""The list of tables, by their logs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from saran.api.lake_tables import LakeTables
from saran.core.names import Table
from saran.core.settings import Settings


def test_tables_are_told_as_their_newest_versions_are(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert asyncio.run(LakeTables(settings).read()) == []
    path = settings.table_path(Table.SILVER_EVENTS)
    for _ in range(2):
        write_deltalake(path, pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]}), mode="append")
    DeltaTable(path).optimize.compact()
    write_deltalake(settings.table_path(Table.GOLD_POPULARITY), pa.table({"a": pa.array([], pa.int64())}))
    write_deltalake(path, pa.table({"a": [4], "b": ["w"]}), mode="append")
    reader = LakeTables(settings)
    gold, silver = asyncio.run(reader.read())
    assert (gold.name, gold.rows, gold.version) == ("gold.popularity", 0, 0)
    assert (silver.name, silver.rows, silver.version, silver.files) == ("silver.events", 7, 3, 2)
    assert silver.columns == ["a", "b"]
    files = [Path(file).stat() for file in DeltaTable(path).file_uris()]
    assert silver.bytes == sum(file.st_size for file in files), "files of older versions do not count"
    newest = datetime.fromtimestamp(max(file.st_mtime for file in files), UTC)
    assert abs(silver.written_at - newest) < timedelta(seconds=10)
    write_deltalake(path, pa.table({"a": [5], "b": ["v"]}), mode="append")
    assert asyncio.run(reader.read()) == [gold, silver], "the logs are not read again within ten seconds"
    assert asyncio.run(LakeTables(settings).read())[1].rows == 8
