"""How many users come again: cohorts by the day, week and month of a user's first event."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from saran.core.names import Table
from saran.core.trends.events import first_of_runs
from saran.core.trends.facts import Longs
from saran.spark.trends.schemas import KEYS, SCHEMAS

FOLLOWED: Final = {"day": 31, "week": 27, "month": 25}
"""Grain → for how many windows a cohort is followed, its own among them."""


def retention(users: Longs, days: Longs) -> pa.Table:
    """Rows of gold.retention. `users` and `days` (since 1970) in parallel are who was there when, in any order.

    A cohort has a row for each window up to the newest day's, also where nobody came again: `later` is 0 for its own,
    of which `users` are all.
    """
    order = np.lexsort((days, users))
    parts = [_cohorts(grain, users[order], days[order]) for grain in FOLLOWED]
    name = Table.GOLD_RETENTION
    return pa.concat_tables(parts).cast(SCHEMAS[name]).sort_by([(key, "ascending") for key in KEYS[name]])


def _cohorts(grain: str, users: Longs, days: Longs) -> pa.Table:
    windows = _windows(grain, days)
    once = first_of_runs(users, windows)
    users, windows = users[once], windows[once]
    first = np.maximum.accumulate(np.where(first_of_runs(users), np.arange(len(users)), 0))
    begun = windows[first]
    cohorts, row = np.unique(begun, return_inverse=True)
    counts = np.zeros((len(cohorts), FOLLOWED[grain]), dtype=np.int64)
    later = windows - begun
    kept = later < FOLLOWED[grain]
    np.add.at(counts, (row[kept], later[kept]), 1)
    newest = windows.max(initial=0)
    rows, after = np.nonzero(cohorts[:, None] + np.arange(FOLLOWED[grain]) <= newest)
    return pa.table(
        {
            "grain": pa.repeat(grain, len(rows)),
            "cohort": pa.array(_first_days(grain, cohorts[rows]).astype(np.int32)).cast(pa.date32()),
            "later": after.astype(np.int32),
            "users": counts[rows, after],
        }
    )


def _windows(grain: str, days: Longs) -> Longs:
    """The windows of days, numbered one after another."""
    if grain == "month":
        return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return days if grain == "day" else (days + 3) // 7  # 1970 began on a Thursday, weeks do on Monday


def _first_days(grain: str, windows: Longs) -> Longs:
    if grain == "month":
        return windows.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return windows if grain == "day" else windows * 7 - 3
