"""Where the solvers of implicit ALS start from."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SCALE: Final = 0.01
"""Standard deviation of the first factors."""


def first_factors(rows: int, rank: int, seed: int) -> NDArray[np.float32]:
    """Random factors to start from, shape (rows, rank)."""
    drawn = np.random.default_rng(seed).standard_normal((rows, rank), dtype=np.float32)
    return (drawn * _SCALE).astype(np.float32)
