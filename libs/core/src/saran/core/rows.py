"""Interactions as compressed rows, which solvers and item-to-item models work on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import Interactions


class Rows(NamedTuple):
    """Interactions by row, compressed: those of row r are at starts[r] … starts[r + 1] - 1."""

    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    strengths: NDArray[np.float32]


def rows_of(given: Interactions) -> Rows:
    """`given`, which is sorted by user, as compressed rows of users."""
    users = int(given.users[-1]) + 1 if len(given.users) else 0
    starts = np.zeros(users + 1, dtype=np.int64)
    np.cumsum(np.bincount(given.users, minlength=users), out=starts[1:])
    return Rows(starts, given.items.astype(np.int32), given.strengths.astype(np.float32))


def transposed(rows: Rows, columns: int) -> Rows:
    """The same interactions by column; within a column in the order of the rows."""
    starts = np.zeros(columns + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows.columns, minlength=columns), out=starts[1:])
    row_of = np.repeat(np.arange(len(rows.starts) - 1, dtype=np.int32), np.diff(rows.starts))
    order = np.argsort(rows.columns, kind="stable")
    return Rows(starts, row_of[order], rows.strengths[order])
