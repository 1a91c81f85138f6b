"""What a cluster of visitors is called, and which id it keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray


def names_of(centres: Sequence[Mapping[str, float]]) -> list[str]:
    """A name for each centre in plain figures (`SEGMENT_INPUTS`), all different.

    Who buys is a buyer: loyal when the cluster buys most, else occasional. Others are told apart by carts, then views.
    """
    most = max(centre["total_transactions"] for centre in centres)
    plain = [_name(centre, most) for centre in centres]
    # Of two clusters with one name, the busier one comes first.
    order = sorted(range(len(centres)), key=lambda place: -centres[place]["total_events"])
    seen: dict[str, int] = {}
    names = [""] * len(centres)
    for place in order:
        seen[plain[place]] = seen.get(plain[place], 0) + 1
        number = seen[plain[place]]
        names[place] = plain[place] if number == 1 else f"{plain[place]} {number}"
    return names


def _name(centre: Mapping[str, float], most: float) -> str:
    if centre["total_transactions"] >= 0.5:
        return "loyal buyer" if centre["total_transactions"] == most else "occasional buyer"
    if centre["total_addtocart"] >= 0.5:
        return "cart abandoner"
    if centre["total_events"] < 2:
        return "passer-by"
    return "window shopper"


def matched_ids(centres: NDArray[np.float64], old: NDArray[np.float64], old_ids: Sequence[int]) -> NDArray[np.int64]:
    """An id for each of the scaled `centres` (k, inputs): those of `old` (j, inputs), by the least sum of distances.

    Where there are more centres than ids, the rest get the next ids that none ever had.
    """
    k, j = len(centres), len(old)
    apart = np.linalg.norm(centres[:, np.newaxis] - old[np.newaxis], axis=2)
    pairs = min(k, j)
    # At most eight of each: trying all is quick, and needs no library.
    if k <= j:
        choices = [list(zip(range(k), chosen, strict=True)) for chosen in permutations(range(j), pairs)]
    else:
        choices = [list(zip(chosen, range(j), strict=True)) for chosen in permutations(range(k), pairs)]
    best = min(choices, key=lambda chosen: sum(apart[pair] for pair in chosen))
    ids = np.full(k, -1, dtype=np.int64)
    for new, known in best:
        ids[new] = old_ids[known]
    free = max(old_ids, default=-1) + 1
    missing = ids < 0
    ids[missing] = free + np.arange(int(missing.sum()))
    return ids
