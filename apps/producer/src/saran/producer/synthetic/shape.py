"""When shoppers come: a compact shape of the days and hours of Retail Rocket's log.

The figures below are rounded coefficients fitted to public counts of the "Retail Rocket recommender system
dataset" (Retail Rocket, CC BY-NC-SA 4.0): factors of the weekdays and a trend over its 138 days from daily
totals of views, factors of the hours (UTC) from a sample of clicks. No row of the data set is part of this file.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from saran.producer.taste import Floats, Ints

START_MS: Final = 1_430_622_000_000
"""2015-05-03T03:00:00Z, the first hour of the log."""
END_MS: Final = 1_442_545_200_000
"""2015-09-18T03:00:00Z, the end of the log, exclusive: 138 days that touch 139 dates."""
HOUR_MS: Final = 3_600_000

_WEEKDAYS: Final = (0.93, 1.13, 1.09, 1.07, 1.05, 0.93, 0.81)
"""Monday to Sunday, mean 1."""
_TREND: Final = (0.962, -0.053, -0.099, 0.024, -0.014, 0.046, -0.080)
"""Chebyshev coefficients over the log, from -1 at its start to 1 at its end."""
# fmt: off
_HOURS: Final = (
    1.38, 1.29, 1.32, 1.36, 1.43, 1.27, 0.69, 0.42, 0.14, 0.16, 0.18, 0.15,
    0.24, 0.55, 0.67, 1.04, 1.17, 1.62, 1.39, 1.76, 1.60, 1.68, 1.29, 1.20,
)
# fmt: on
_SUNDAY: Final = 6


def hourly_weights() -> Floats:
    """Relative traffic of each hour from START_MS to END_MS, shape (3312,)."""
    hours = (END_MS - START_MS) // HOUR_MS
    of_day = (np.arange(hours) + 3) % 24
    of_week = (_SUNDAY + (np.arange(hours) + 3) // 24) % 7
    trend = np.polynomial.chebyshev.chebval(np.linspace(-1, 1, hours), _TREND)
    weights: Floats = np.asarray(_WEEKDAYS)[of_week] * np.asarray(_HOURS)[of_day] * trend
    return weights


def warp(moments: Floats, weights: Ints) -> Floats:
    """Map moments of any distribution to milliseconds in which traffic is the log's, keeping their order.

    `weights` says how many events each moment stands for. Sessions keep their nearness (a visitor who returns after
    two days still does, about), while days and hours get the share of traffic that they have in the log.
    """
    order = np.argsort(moments, kind="stable")
    sorted_weights = weights[order]
    ranks = np.empty(len(moments), dtype=np.float64)
    ranks[order] = (np.cumsum(sorted_weights) - sorted_weights / 2) / max(1, int(weights.sum()))
    cumulative = np.concatenate([[0.0], np.cumsum(hourly_weights())])
    edges = START_MS + HOUR_MS * np.arange(len(cumulative), dtype=np.float64)
    return np.interp(ranks, cumulative / cumulative[-1], edges)
