"""The parts of a load that need no broker: cutting, merging, resuming, working ahead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from saran.core.datasets import EVENT_COLUMNS, REJECTED_SCHEMA, EventBlock
from saran.core.errors import SaranError
from saran.core.settings import Settings
from saran.producer.ahead import ahead
from saran.producer.options import LoadOptions
from saran.producer.records import batch_of, event_records
from saran.producer.resume import Position, ResumeFile
from saran.producer.sources import until


def _block(first: int, rows: int, wrong: list[int]) -> EventBlock:
    """A block whose data rows `wrong` are rejected."""
    good = [row for row in range(first, first + rows) if row not in wrong]
    count = len(good)
    events = pl.DataFrame(
        {
            "event_id": [f"e{row}" for row in good],
            "event_time": pl.Series([datetime(2015, 6, 2, tzinfo=UTC)] * count).cast(pl.Datetime("ms", "UTC")),
            "user_id": [f"u{row}" for row in good],
            "item_id": ["i"] * count,
            "action": ["view"] * count,
            "value": pl.Series([None] * count, dtype=pl.Float64),
            "session_id": pl.Series([None] * count, dtype=pl.String),
            "transaction_id": pl.Series([None] * count, dtype=pl.String),
            "source": ["test"] * count,
            "context": pl.Series([None] * count),
        }
    ).select(EVENT_COLUMNS)
    rejected = pl.DataFrame(
        [(f"e{row}", "test", "f.csv", row, row + 2, "bad", "raw") for row in wrong],
        schema=REJECTED_SCHEMA,
        orient="row",
    )
    return EventBlock(events, pl.Series(good, dtype=pl.Int64), rejected, first, rows, 0, first + rows)


def test_records_keep_the_order_of_the_file_with_wrong_rows_in_their_place() -> None:
    records = event_records(_block(9_998, 5, [9_999, 10_002]), 4)
    assert records.rows.tolist() == [9_998, 9_999, 10_000, 10_001, 10_002]
    assert records.keys.cast(pl.String).to_list() == ["u9998", "e9999", "u10000", "u10001", "e10002"]
    values = [json.loads(text) for text in records.values.cast(pl.String)]
    assert values[0]["context"] == {"batch": "1"}
    assert values[2]["context"] == {"batch": "2"}
    assert values[1] == {"event_id": "e9999", "source": "test", "error": "bad", "raw": "raw"}


def test_slices_end_where_micro_batches_end() -> None:
    records = event_records(_block(9_998, 5, []), 4)
    assert [(len(piece.keys), follows) for piece, follows in records.slices()] == [(2, 10_000), (3, 10_003)]
    assert [len(piece.keys) for piece, _ in records.slices(2)] == [2, 2, 1]
    assert sum(piece.bytes for piece, _ in records.slices(2)) == sum(piece.bytes for piece, _ in records.slices())


def test_batches_count_from_one() -> None:
    assert [batch_of(row) for row in (0, 9_999, 10_000, 100_835)] == [1, 1, 2, 11]


def test_a_range_cuts_the_block_that_holds_its_end() -> None:
    blocks = [_block(0, 10, [3]), _block(10, 10, [15, 18]), _block(20, 10, [])]
    kept = list(until(iter(blocks), 17))
    assert [(block.first_row, block.rows, block.events.height, block.rejected.height) for block in kept] == [
        (0, 10, 9, 1),
        (10, 7, 6, 1),
    ]
    assert list(until(iter(blocks), None)) == blocks


def test_options_turn_batches_and_limit_into_rows() -> None:
    assert LoadOptions().rows == (0, None)
    assert LoadOptions(from_batch=51, to_batch=100).rows == (500_000, 1_000_000)
    assert LoadOptions(from_batch=2, to_batch=5, limit=7).rows == (10_000, 10_007)
    with pytest.raises(SaranError, match="5 to 4"):
        LoadOptions(from_batch=5, to_batch=4)


def test_resume_needs_the_same_data_topic_and_cluster_and_leaves_no_gap(tmp_path: Path) -> None:
    file = ResumeFile(Settings(home=tmp_path), "retailrocket", "ab" * 32)
    begin = Position("ab" * 32, "events", "c1", catalogue_sent=False, first_row=0, next_row=0)
    assert file.read(begin) is begin
    stored = replace(begin, catalogue_sent=True, first_row=500, next_row=900)
    file.note(stored)
    file.save()
    within = replace(begin, first_row=600, next_row=600)
    assert file.read(within) == stored
    assert file.read(replace(begin, first_row=900, next_row=900)) == stored
    for other in (
        begin,
        replace(begin, first_row=901, next_row=901),
        replace(within, cluster="c2"),
        replace(within, topic="t2"),
        replace(within, sha256="cd" * 32),
    ):
        assert file.read(other) is other
    file.path.write_text("{half")
    assert file.read(within) is within


def test_ahead_gives_all_elements_then_the_error_of_the_source() -> None:
    def source() -> Iterator[int]:
        yield from range(100)
        raise SaranError("the file ended early")

    seen: list[int] = []
    with pytest.raises(SaranError, match="ended early"), ahead(source()) as elements:
        seen.extend(elements)
    assert seen == list(range(100))


def test_leaving_ahead_stops_the_source() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(1_000_000):
            made.append(number)
            yield number

    with ahead(source()) as elements:
        assert next(elements) == 0
    after = len(made)
    assert after < 10
    assert np.array_equal(made, np.arange(after))
