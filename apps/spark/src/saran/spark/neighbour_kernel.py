"""Compiled search for the nearest items of each item. Plain arrays, one core, no Spark."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def nearest_items(
    user_starts: NDArray[np.int64],
    items_of_user: NDArray[np.int32],
    item_starts: NDArray[np.int64],
    users_of_item: NDArray[np.int32],
    shrink: float,
    most: int,
    neighbours: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> None:
    """Fill `neighbours` and `weights`, shape (items, most), by shrunk cosine; best first, 0 where there are fewer.

    The similarity of items with n and m users, c of them shared, is c / (√(n·m) + shrink). Equal ones come by smaller
    index. Work: each user's squared number of items.
    """
    count = len(item_starts) - 1
    shared = np.zeros(count, dtype=np.int64)
    for item in range(count):
        shared[:] = 0
        for user in users_of_item[item_starts[item] : item_starts[item + 1]]:
            for other in items_of_user[user_starts[user] : user_starts[user + 1]]:
                shared[other] += 1
        shared[item] = 0
        near = np.flatnonzero(shared)
        own = item_starts[item + 1] - item_starts[item]
        likeness = np.empty(len(near), dtype=np.float64)
        for place in range(len(near)):
            other = near[place]
            its = item_starts[other + 1] - item_starts[other]
            likeness[place] = shared[other] / (np.sqrt(own * its) + shrink)
        best = np.argsort(-likeness, kind="mergesort")[:most]
        for place in range(len(best)):
            neighbours[item, place] = near[best[place]]
            weights[item, place] = likeness[best[place]]
