"""`ingest` and the online worker give one verdict: what silver holds reaches a history, and nothing else does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest
from apps.spark.tests.hostile_records import HOSTILE, mutants
from apps.spark.tests.ingest_records import CLOCK, event_json, kafka_records

from saran.api.history import event_hashes
from saran.api.records import parse
from saran.core.entities import ACTION_CODES
from saran.spark.event_records import parse_events

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Verdict = tuple[str, str, int, float | None, int, int] | None
"""User, item, code of the action, value in 32 bits, milliseconds, hash of the id; None for a record that is refused."""


def milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def by_ingest(values: Sequence[bytes | None], clocks: Sequence[datetime]) -> list[Verdict]:
    records = kafka_records(values)
    place = records.schema.get_field_index("timestamp")
    taken, rejected = parse_events(records.set_column(place, "timestamp", pa.array(clocks, pa.timestamp("us", "UTC"))))
    verdicts: dict[int, Verdict] = {row["offset"]: None for row in rejected.to_pylist()}
    for row in taken.to_pylist():
        verdicts[row["kafka_offset"]] = of_row(row)
    return [verdicts[offset] for offset in range(len(values))]


def of_row(row: dict[str, Any]) -> Verdict:
    value = None if row["value"] is None else float(np.float32(row["value"]))
    (hashed,) = event_hashes([row["event_id"]])
    moment = milliseconds(row["event_time"])
    return row["user_id"], row["item_id"], ACTION_CODES[row["action"]], value, moment, int(hashed)


def by_worker(values: Sequence[bytes | None], clocks: Sequence[datetime]) -> list[Verdict]:
    """One by one; a batch of all must hold the same events."""
    singles: list[Verdict] = []
    for value, clock in zip(values, clocks, strict=True):
        users, events, rejected, _ = parse([value], [milliseconds(clock)])
        assert rejected == 1 - len(users)
        rows = zip(events.items, events.actions, events.values, events.times, events.hashes, strict=True)
        found = [
            (users[0], item, int(action), None if np.isnan(number) else float(number), int(moment), int(hashed))
            for item, action, number, moment, hashed in rows
        ]
        singles.append(found[0] if found else None)
    users, events, rejected, _ = parse(values, [milliseconds(clock) for clock in clocks])
    good = [verdict for verdict in singles if verdict is not None]
    assert rejected == len(values) - len(good)
    together = [(users[user], item) for user, item in zip(events.users, events.items, strict=True)]
    assert together == [verdict[:2] for verdict in good]
    return singles


@pytest.mark.parametrize("name", HOSTILE)
def test_one_verdict_on_a_hostile_record(name: str) -> None:
    assert by_worker([HOSTILE[name]], [CLOCK]) == by_ingest([HOSTILE[name]], [CLOCK])


def test_one_verdict_on_each_of_many() -> None:
    values = [*HOSTILE.values(), *mutants()]
    clocks = [CLOCK] * len(values)
    theirs, ours = by_worker(values, clocks), by_ingest(values, clocks)
    assert [(v, a, b) for v, a, b in zip(values, theirs, ours, strict=True) if a != b] == []
    assert 100 < sum(verdict is not None for verdict in ours) < len(ours) - 100


def test_a_record_is_judged_by_its_own_clock_whenever_it_is_read() -> None:
    values = [event_json(number, event_time='"2026-06-02T00:00:00.000Z"').encode() for number in range(3)]
    clocks = [
        datetime(2026, 5, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 6, 1, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ]
    verdicts = by_ingest(values, clocks)
    assert by_worker(values, clocks) == verdicts
    assert [verdict is not None for verdict in verdicts] == [False, True, True]
