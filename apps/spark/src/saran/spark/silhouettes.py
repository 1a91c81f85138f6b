"""How well each point lies in its cluster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def silhouettes(points: NDArray[np.float64], clusters: NDArray[np.int64]) -> NDArray[np.float64]:
    """The silhouette of each of `points` (n, inputs) in its cluster (n,), by squared Euclidean distance; -1 to 1.

    Rousseeuw: "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis", 1987. A point
    alone in its cluster has 0; all have -1 when there is one cluster only. The mean squared distance of x to a cluster
    is |x|² - 2·x·m + s, with the cluster's mean m and mean of squares s: that takes n × clusters steps, not n × n.
    """
    _, places, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return np.full(len(points), -1.0)
    squares = np.square(points).sum(axis=1)
    sums = np.column_stack([np.bincount(places, weights=column) for column in points.T])
    means, mean_squares = sums / sizes[:, np.newaxis], np.bincount(places, weights=squares) / sizes
    apart = np.maximum(squares[:, np.newaxis] - 2 * points @ means.T + mean_squares, 0.0)
    rows, size = np.arange(len(points)), sizes[places]
    # Itself is no neighbour of a point.
    own = apart[rows, places] * size / np.maximum(size - 1, 1)
    apart[rows, places] = np.inf
    other = apart.min(axis=1)
    largest = np.maximum(own, other)
    found = np.divide(other - own, largest, out=np.zeros_like(own), where=largest > 0)
    return np.where(size > 1, found, 0.0)
