"""Visitors whose behaviour says whether they buy, and who behave in a few ways."""

from __future__ import annotations

import numpy as np
from apps.spark.tests.train_events import Row

_DAY = 24 * 3600


def shop(visitors: int, *, seed: int = 1, days: int = 60) -> list[Row]:
    """Events of `visitors`: who puts things into the cart buys some hours later, with a chance that grows by carts.

    Every event's batch is its visitor's number over a hundred, from 1.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for visitor in range(visitors):
        user, batch = f"v{visitor:05}", visitor // 100 + 1
        start = int(rng.integers(0, days * _DAY))
        views = int(rng.integers(1, 30 if visitor % 3 == 0 else 6))
        carts = int(rng.integers(0, min(views, 6))) if visitor % 2 == 0 else 0
        # Of ten visitors one looks at much and takes nothing, and one comes back to buy.
        loyal = visitor % 10 == 8
        if visitor % 10 in {7, 8}:
            views, carts = 100, 12 if loyal else 0
        seconds = start + 60 * np.arange(views + carts)
        kinds = ["view"] * views + ["add_to_cart"] * carts
        items = rng.integers(0, 50, views + carts)
        rows += [
            Row(user, f"i{item}", int(second), kind, batch=batch)
            for item, second, kind in zip(items, seconds, kinds, strict=True)
        ]
        if rng.random() < 0.25 * carts:
            rows += [
                Row(user, f"i{items[-1]}", int(seconds[-1]) + 3600 * hour, "purchase", batch=batch)
                for hour in range(1, 7 if loyal else 2)
            ]
    return [row._replace(event_id=f"e{place}") for place, row in enumerate(rows)]
