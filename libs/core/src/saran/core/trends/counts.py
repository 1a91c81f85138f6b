"""Events counted by hour and day, of each item, each category and all."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from saran.core.entities import ACTION_CODES, Action
from saran.core.trends.events import DAY, HOUR, Events, added
from saran.core.trends.facts import Longs, cents


def item_trends(events: Events) -> pa.Table:
    """Columns of ITEM_TRENDS. A purchase's amount is the event's value, or the item's price.

    An item of several categories counts in each.
    """
    hours = added(
        pa.table({"window_start": events.times // HOUR * HOUR, "item": events.items} | _measures(events)),
        ["window_start", "item"],
    )
    items = hours.column("item").to_numpy()
    bare = hours.drop_columns(["item"])
    rows, categories = events.facts.in_categories(items)
    ids = events.facts.item_ids
    kinds = {
        "item": bare.append_column("key", ids.take(pa.array(items))),
        "category": bare.take(pa.array(rows)).append_column("key", categories),
        "all": bare.append_column("key", pa.repeat("", bare.num_rows)),
    }
    parts = []
    for kind, windows in kinds.items():
        for grain, length in (("hour", HOUR), ("day", DAY)):
            starts = windows.column("window_start").to_numpy() // length * length
            sums = added(windows.set_column(0, "window_start", pa.array(starts)), ["window_start", "key"])
            for name, value in (("grain", grain), ("kind", kind)):
                sums = sums.append_column(name, pa.repeat(value, sums.num_rows))
            parts.append(sums)
    return pa.concat_tables(parts)


def counts_by(length: int, events: Events) -> pa.Table:
    """`window_start`, and the columns that add up in ITEM_TRENDS, of windows of `length` milliseconds."""
    return added(pa.table({"window_start": events.times // length * length} | _measures(events)), ["window_start"])


def _measures(events: Events) -> dict[str, Longs]:
    """Columns that add up. revenue_cents: of the purchases whose amount is known, which `priced` counts."""
    amounts, said = cents(events.values)
    prices, listed = cents(events.facts.prices)
    bought = events.actions == ACTION_CODES[Action.PURCHASE]
    revenue = np.where(bought, np.where(said, amounts, prices[events.items]), 0)
    return events.counts() | {
        "revenue_cents": revenue,
        "priced": (bought & (said | listed[events.items])).astype(np.int64),
    }
