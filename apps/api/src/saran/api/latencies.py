"""How long answers take, by route: quantiles of a histogram, as Prometheus' histogram_quantile estimates them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from prometheus_client import Histogram

from saran.core.system_shapes import RouteTimes

_MILLISECONDS = 1000


def by_route(seconds: Histogram) -> dict[str, RouteTimes]:
    """Of each value of the label `route`, since the start."""
    buckets: dict[str, list[tuple[float, float]]] = {}
    for family in seconds.collect():
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                buckets.setdefault(sample.labels["route"], []).append((float(sample.labels["le"]), sample.value))
    return {
        route: RouteTimes(
            requests=int(found[-1][1]),
            p50_ms=quantile(found, 0.5) * _MILLISECONDS,
            p95_ms=quantile(found, 0.95) * _MILLISECONDS,
            p99_ms=quantile(found, 0.99) * _MILLISECONDS,
        )
        for route, found in buckets.items()
    }


def quantile(buckets: Sequence[tuple[float, float]], share: float) -> float:
    """Below which `share` of the observations lie, evenly spread within each bucket.

    Buckets are an upper bound and the count up to it, in order, the last bound infinite; there is an observation. What
    lies in the last is given as the highest finite bound.
    """
    rank = share * buckets[-1][1]
    for (low, below), (high, count) in pairwise([(0.0, 0.0), *buckets]):
        if count >= rank and count > below:
            return low if math.isinf(high) else low + (high - low) * (rank - below) / (count - below)
    raise ValueError("a histogram without an observation has no quantile")
