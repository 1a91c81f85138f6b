"""Events as columns of numbers, and what they have in common: hours, runs of rows, sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from saran.core.entities import ACTION_CODES, Action
from saran.core.trends.facts import Facts, Longs

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
"""Milliseconds."""

COLUMNS: Final = ["event_time", "user_id", "item_id", "action", "value", "session_id"]

ACTIONS: Final = {
    "views": Action.VIEW,
    "clicks": Action.CLICK,
    "carts": Action.ADD_TO_CART,
    "purchases": Action.PURCHASE,
    "rates": Action.RATE,
    "impressions": Action.IMPRESSION,
}
"""Column → action that it counts."""


@dataclass(frozen=True)
class Events:
    """Rows in parallel. Users and sessions are numbers of this set alone, `items` are rows of `facts`."""

    times: Longs
    """Milliseconds since 1970."""
    users: Longs
    items: Longs
    actions: Longs
    values: NDArray[np.float64]
    """NaN where there is none."""
    sessions: Longs
    """-1 where the event names none."""
    facts: Facts
    user_ids: pa.Array
    """Who the numbers of `users` are."""

    def __len__(self) -> int:
        return len(self.times)

    def only(self, rows: NDArray[Any]) -> Events:
        """The rows of a mask, or in an order."""
        return Events(
            self.times[rows],
            self.users[rows],
            self.items[rows],
            self.actions[rows],
            self.values[rows],
            self.sessions[rows],
            self.facts,
            self.user_ids,
        )

    def on(self, days: Longs) -> Events:
        """Those of some days, as numbers since 1970."""
        return self.only(np.isin(self.times // DAY, days))

    def in_category(self, name: str) -> Events:
        """Those of items of a category."""
        everything = np.arange(len(self.facts.item_ids))
        items, names = self.facts.in_categories(everything)
        within = np.zeros(len(everything), dtype=np.bool_)
        within[items[pc.equal(names, name).to_numpy(zero_copy_only=False)]] = True
        return self.only(within[self.items])

    def counts(self) -> dict[str, Longs]:
        """A 0 or 1 a row for each of ACTIONS."""
        return {name: (self.actions == ACTION_CODES[action]).astype(np.int64) for name, action in ACTIONS.items()}


def events_of(rows: pa.Table, catalogue: Facts) -> Events:
    """Rows of silver.events with COLUMNS, and what the catalogue says of their items."""
    items, users = _codes(rows.column("item_id")), _codes(rows.column("user_id"))
    return Events(
        rows.column("event_time").cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64()).to_numpy(),
        _numbers(users),
        _numbers(items),
        pc.index_in(rows.column("action"), value_set=pa.array(list(ACTION_CODES))).to_numpy().astype(np.int64),
        rows.column("value").to_numpy().astype(np.float64),
        _numbers(_codes(rows.column("session_id"))),
        catalogue.of(items.dictionary.cast(pa.string())),
        users.dictionary.cast(pa.string()),
    )


def _codes(column: pa.ChunkedArray) -> pa.DictionaryArray:
    return column.combine_chunks().dictionary_encode()


def _numbers(codes: pa.DictionaryArray) -> Longs:
    numbers: Longs = pc.fill_null(codes.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return numbers


def first_of_runs(*columns: Longs) -> NDArray[np.bool_]:
    """Of each row whether one of the columns differs from the row before."""
    first = np.ones(len(columns[0]), dtype=np.bool_)
    first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return first


def added(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Sums of all other columns by `keys`."""
    others = [name for name in rows.column_names if name not in keys]
    return rows.group_by(list(keys)).aggregate([(name, "sum") for name in others]).rename_columns([*keys, *others])
