"""Columns of the gold tables of trends: integers alone, so that no order of adding makes a difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from saran.core.names import Table
from saran.core.trends.events import ACTIONS


def _columns(keys: Mapping[str, pa.DataType], *sums: str) -> pa.Schema:
    days = {"day": pa.date32(), "window_start": pa.timestamp("us", "UTC")}
    return pa.schema(
        [
            pa.field(name, kind, nullable=False)
            for name, kind in {**days, **keys, **dict.fromkeys(sums, pa.int64())}.items()
        ]
    )


_TEXT: Final = pa.string()

SCHEMAS: Final = {
    Table.GOLD_ITEM_TRENDS: _columns(
        {"grain": _TEXT, "kind": _TEXT, "key": _TEXT}, *ACTIONS, "revenue_cents", "priced"
    ),
    Table.GOLD_FUNNEL_HOURLY: _columns(
        {"scope": _TEXT, "category": _TEXT}, "viewed", "clicked", "carted", "purchased", "cart_ms", "purchase_ms"
    ),
    Table.GOLD_ACTIVITY_HEATMAP: _columns(
        {"weekday": pa.int32(), "hour": pa.int32()}, "events", *ACTIONS, "users", "sessions"
    ),
    Table.GOLD_RETENTION: pa.schema(
        [
            pa.field(name, kind, nullable=False)
            for name, kind in {"grain": _TEXT, "cohort": pa.date32(), "later": pa.int32(), "users": pa.int64()}.items()
        ]
    ),
}
"""Name of a table → its columns. docs/analytics.md says what they hold."""

KEYS: Final = {
    Table.GOLD_ITEM_TRENDS: ("window_start", "grain", "kind", "key"),
    Table.GOLD_FUNNEL_HOURLY: ("window_start", "scope", "category"),
    Table.GOLD_ACTIVITY_HEATMAP: ("window_start",),
    Table.GOLD_RETENTION: ("grain", "cohort", "later"),
}
"""Columns that name a row. Rows are sorted by them."""

WHOLE: Final = frozenset({Table.GOLD_RETENTION})
"""Tables without days: an event can change any of their rows, so they are made whole each time."""
