"""Ids of the rows of a file: 128 bits from what the file holds and the number of the row.

Two splitmix64 streams (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014), seeded by
the file's SHA-256, give 64 bits each. A row keeps its id whether the file is compressed or not, however it is cut into
blocks; identical rows get ids of their own.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), dtype="<u2")


def row_ids(sha256: bytes, rows: NDArray[np.int64]) -> pl.Series:
    """Ids of 0-based data `rows`, 32 hex digits each, in their order."""
    seeds = np.frombuffer(sha256[:16], dtype="<u8")
    halves = np.empty((len(rows), 2), dtype=">u8")
    steps = (rows.astype(np.uint64) + np.uint64(1)) * _GAMMA
    for half in (0, 1):
        halves[:, half] = _mix(seeds[half] + steps)
    text = _HEX[halves.view(np.uint8)]
    buffers = [None, pa.py_buffer(np.arange(len(rows) + 1, dtype=np.int64) * 32), pa.py_buffer(text)]
    return pl.Series("event_id", pa.Array.from_buffers(pa.large_string(), len(rows), buffers))


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    mixed: NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return mixed
