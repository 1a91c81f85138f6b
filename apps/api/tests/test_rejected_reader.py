"""Refused records, counted by reason, and the newest of them."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from saran.api.rejected_reader import MOST_CHARACTERS, MOST_REASONS, RejectedReader
from saran.core.names import Table
from saran.core.pipeline_shapes import RejectedRecords
from saran.core.settings import Settings
from saran.spark.lake_schemas import REJECTED

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def _refuse(settings: Settings, first: int, reasons: list[str], **more: Any) -> None:
    """Append records, a second apart, from the offset `first` on."""
    rows = [
        {
            "reason": reason, "topic": "events", "partition": 0, "offset": first + place, "raw": f"raw {first + place}",
            "timestamp": NOON + timedelta(seconds=first + place), "ingested_at": NOON,
            "content_id": f"c{first + place}", **more,
        }
        for place, reason in enumerate(reasons)
    ]  # fmt: skip
    folder = settings.table_folder(Table.SILVER_REJECTED)
    write_deltalake(str(folder), pa.Table.from_pylist(rows, REJECTED), mode="append")


def _read(reader: RejectedReader, sample: int = 3) -> RejectedRecords:
    return asyncio.run(reader.read(sample))


def test_without_the_table_nothing_was_refused(tmp_path: Path) -> None:
    found = _read(RejectedReader(Settings(home=tmp_path)))
    assert (found.rows, found.version, found.reasons, found.sample) == (0, None, [], [])


def test_reasons_are_counted_and_the_newest_are_shown(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    _refuse(settings, 0, ["no item", "no user", "no item"])
    reader = RejectedReader(settings)
    assert [(one.reason, one.rows) for one in _read(reader).reasons] == [("no item", 2), ("no user", 1)]

    _refuse(settings, 3, ["no user", "no user"], raw="x" * 10_000)
    _refuse(settings, 1, ["bad price"], topic="catalog")
    found = _read(reader)
    assert (found.rows, found.version) == (6, 2)
    assert [(one.topic, one.reason, one.rows, one.newest) for one in found.reasons] == [
        ("events", "no user", 3, NOON + timedelta(seconds=4)),
        ("events", "no item", 2, NOON + timedelta(seconds=2)),
        ("catalog", "bad price", 1, NOON + timedelta(seconds=1)),
    ]
    assert [(one.topic, one.offset) for one in found.sample] == [("events", 4), ("events", 3), ("events", 2)]
    assert found.sample[0].raw == "x" * (MOST_CHARACTERS - 1) + "…"
    assert found.sample[2].raw == "raw 2"


def test_of_one_moment_the_sample_has_the_later_record_first_and_leaves_none_out(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    _refuse(settings, 7, ["no item", "no user"], timestamp=NOON)
    _refuse(settings, 9, ["bad price"], timestamp=NOON, topic="catalog")
    found = _read(RejectedReader(settings), sample=100)
    assert [(one.topic, one.offset) for one in found.sample] == [("catalog", 9), ("events", 8), ("events", 7)]


def test_a_table_that_was_made_anew_is_read_anew(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    _refuse(settings, 0, ["no item"])
    reader = RejectedReader(settings)
    assert _read(reader).reasons[0].reason == "no item"
    shutil.rmtree(settings.table_path(Table.SILVER_REJECTED))
    _refuse(settings, 0, ["no user"])
    found = _read(reader)
    assert (found.version, [one.reason for one in found.reasons]) == (0, ["no user"])


def test_no_more_reasons_are_told_than_can_be_read(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    _refuse(settings, 0, [f"not UTF-8: byte {place}" for place in range(MOST_REASONS + 7)])
    found = _read(RejectedReader(settings), sample=0)
    assert (len(found.reasons), found.more_reasons, found.rows, found.sample) == (MOST_REASONS, 7, MOST_REASONS + 7, [])
