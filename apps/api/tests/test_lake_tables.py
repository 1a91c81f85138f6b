"""The list of tables, by their logs."""

from __future__ import annotations

import asyncio
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
    gold, silver = asyncio.run(LakeTables(settings).read())
    assert (gold.name, gold.rows, gold.version) == ("gold.popularity", 0, 0)
    assert (silver.name, silver.rows, silver.version, silver.files) == ("silver.events", 6, 2, 1)
    assert silver.columns == ["a", "b"]
    (file,) = DeltaTable(path).file_uris()
    assert silver.bytes == Path(file).stat().st_size, "files of older versions do not count"
