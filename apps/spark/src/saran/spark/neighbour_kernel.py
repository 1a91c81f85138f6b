"""Compiled search for the nearest items of each item. Plain arrays, one core, no Spark."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def nearest_items(
    first: int,
    last: int,
    item_starts: NDArray[np.int64],
    features_of_item: NDArray[np.int32],
    item_weights: NDArray[np.float32],
    feature_starts: NDArray[np.int64],
    items_of_feature: NDArray[np.int32],
    feature_weights: NDArray[np.float32],
    shrink: float,
    most: int,
    neighbours: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> None:
    """Fill `neighbours` and `weights`, shape (last - first, most), of items first … last - 1, by shrunk cosine.

    Items and features (users, or words) are two views of one sparse matrix with positive weights. Items of squared
    lengths a and b and the scalar product c have c / (√(a·b) + shrink). Best first, equal ones by smaller index, 0
    where there are fewer. Work: for each feature, its squared number of items.
    """
    count = len(item_starts) - 1
    squares = np.zeros(count, dtype=np.float64)
    for item in range(count):
        for place in range(item_starts[item], item_starts[item + 1]):
            squares[item] += np.float64(item_weights[place]) * np.float64(item_weights[place])
    shared = np.zeros(count, dtype=np.float64)
    touched = np.empty(count, dtype=np.int32)
    for item in range(first, last):
        found = 0
        for place in range(item_starts[item], item_starts[item + 1]):
            feature = features_of_item[place]
            weight = np.float64(item_weights[place])
            for other_place in range(feature_starts[feature], feature_starts[feature + 1]):
                other = items_of_feature[other_place]
                if shared[other] == 0:
                    touched[found] = other
                    found += 1
                shared[other] += weight * feature_weights[other_place]
        near = np.sort(touched[:found])
        near = near[near != item]
        likeness = np.empty(len(near), dtype=np.float64)
        for place in range(len(near)):
            other = near[place]
            likeness[place] = shared[other] / (np.sqrt(squares[item] * squares[other]) + shrink)
        for place in range(found):
            shared[touched[place]] = 0
        best = np.argsort(-likeness, kind="mergesort")[:most]
        for place in range(len(best)):
            neighbours[item - first, place] = near[best[place]]
            weights[item - first, place] = likeness[best[place]]
