"""Events for a catalogue that has none: histories by taste, as blocks like those of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from saran.core.datasets import EVENT_COLUMNS, REJECTED_SCHEMA, EventBlock
from saran.core.datasets.event_ids import row_ids
from saran.core.entities import Action
from saran.producer.interactions import CART, PURCHASE, VIEW, Plan, make_interactions
from saran.producer.pool import Pool

DEFAULT_EVENTS: Final = 200_000
_SHIFT_MS: Final = 522 * 7 * 24 * 3_600_000
"""Whole weeks from the calibrated log of 2015 to 2025, so that weekdays stay."""
_BLOCK_ROWS: Final = 100_000
_EVENTS_A_USER: Final = 20
"""Simulated users are seen oftener than Retail Rocket's visitors, of whom most come once."""


class SimulatedEvents:
    """`count` events over a pool; the same pool, count and seed give the same events with the same ids."""

    def __init__(self, pool: Pool, source: str, count: int, *, seed: int = 1) -> None:
        self.source = source
        self.count = count
        self._pool = pool
        self._seed = seed
        self._digest = hashlib.sha256(pool.sha256 + f"{source} {count} {seed}".encode())

    @property
    def sha256(self) -> str:
        """Identity of the events, as the checksum of a file is."""
        return self._digest.hexdigest()

    @property
    def size(self) -> int:
        """How many events there are."""
        return self.count

    def blocks(self, start_row: int) -> Iterator[EventBlock]:
        """Events in order of time from row `start_row` on."""
        events = self._frame()
        for first in range(start_row, self.count, _BLOCK_ROWS):
            part = events[first : first + _BLOCK_ROWS]
            yield EventBlock(
                events=part,
                event_rows=pl.Series(np.arange(first, first + part.height, dtype=np.int64)),
                rejected=pl.DataFrame(schema=REJECTED_SCHEMA),
                first_row=first,
                rows=part.height,
                left_out=0,
                bytes_read=first + part.height,
            )

    def _frame(self) -> pl.DataFrame:
        rng = np.random.default_rng([self._seed, 4])
        plan = Plan.scaled(self.count)
        if not self._pool.sells:
            plan = Plan(plan.views, plan.carts + plan.purchases, 0, plan.users)
        plan = Plan(plan.views, plan.carts, plan.purchases, max(1, self.count // _EVENTS_A_USER))
        made = make_interactions(rng, plan, self._pool.taste, cover=False)
        order = np.argsort(made.times_ms, kind="stable")
        kinds = made.kinds[order]
        actions = {VIEW: Action.VIEW, CART: Action.ADD_TO_CART, PURCHASE: Action.PURCHASE}
        if self._pool.sells:
            values = np.where(kinds == PURCHASE, self._pool.prices[made.items[order]], np.nan)
        else:
            actions[CART] = Action.RATE
            values = np.where(
                kinds == CART, np.round(np.clip(rng.normal(3.8, 0.8, len(kinds)), 0.5, 5) * 2) / 2, np.nan
            )
        words = pl.Series([actions[kind].value for kind in (VIEW, CART, PURCHASE)])
        transactions = pl.Series(made.transactions[order])
        columns = {
            "event_id": row_ids(self._digest.digest(), np.arange(self.count, dtype=np.int64)),
            "event_time": pl.Series(made.times_ms[order] + _SHIFT_MS).cast(pl.Datetime("ms", "UTC")),
            "user_id": "u" + pl.Series(made.users[order]).cast(pl.String),
            "item_id": self._pool.ids.gather(made.items[order]),
            "action": words.gather(kinds),
            "value": pl.Series(values).fill_nan(None),
            "session_id": "s" + pl.Series(made.sessions[order]).cast(pl.String),
            "transaction_id": "t" + transactions.set(transactions < 0, None).cast(pl.String),
            "source": pl.repeat(self.source, self.count, eager=True),
            "context": pl.Series([None] * self.count),
        }
        return pl.DataFrame(columns).select(EVENT_COLUMNS)
