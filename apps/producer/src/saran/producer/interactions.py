"""Made-up histories of many users at once: views in sessions, carts after views, purchases after carts.

Everything is in columns; 2.7 million interactions take seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saran.producer.synthetic import shape
from saran.producer.taste import Floats, Ints, Taste

Flags = NDArray[np.bool_]

VIEW: Final = 0
CART: Final = 1
PURCHASE: Final = 2

VIEWS: Final = 2_664_312
CARTS: Final = 69_332
PURCHASES: Final = 22_457
ROWS: Final = VIEWS + CARTS + PURCHASES
VISITORS: Final = 1_407_580
ITEMS: Final = 235_061
"""Published totals of Retail Rocket's events.csv; smaller stand-ins keep their proportions."""

_SAME_SESSION: Final = 0.72
"""Chance that a visitor's next view belongs to the running session."""
_REPEAT: Final = 0.22
"""Chance that a view within a session returns to the item before it."""
_ACTIVITY: Final = 1.8
"""Deviation of the log of visitors' activity: seven of ten are seen once (as published), a few a thousand times."""
_KEENNESS: Final = 3.6
"""Deviation of the log of how ready visitors are to buy: 69,332 carts then belong to about 38,000 visitors."""
_RETURN_DAYS: Final = 9.0
_LOG_GAP: Final = (4.3, 1.4)
"""Mean and deviation of the log of seconds between two views of a session."""
_SESSION_LIMIT_MS: Final = 6 * shape.HOUR_MS


@dataclass(frozen=True)
class Interactions:
    """Parallel columns, one element an interaction, views first, then carts, then purchases.

    `transactions` is -1 except for purchases; `sessions` numbers sessions from 0 over all users.
    """

    times_ms: Ints
    users: Ints
    items: Ints
    kinds: Ints
    transactions: Ints
    sessions: Ints


@dataclass(frozen=True)
class Plan:
    """How many of each to make. Every user has at least one view and every item is seen at least once."""

    views: int
    carts: int
    purchases: int
    users: int

    @classmethod
    def scaled(cls, rows: int) -> Plan:
        """The proportions of Retail Rocket for `rows` interactions; the total is exactly `rows`."""
        if rows < 1:
            raise ValueError(f"cannot make {rows} rows: ask for at least 1")
        purchases = round(rows * PURCHASES / ROWS)
        carts = round(rows * CARTS / ROWS)
        return cls(rows - carts - purchases, carts, purchases, max(1, round(rows * VISITORS / ROWS)))


def make_interactions(rng: np.random.Generator, plan: Plan, taste: Taste, *, cover: bool = True) -> Interactions:
    """Histories by `plan` over the items of `taste`; with `cover` every item is viewed when the views suffice."""
    users = _view_users(rng, plan)
    sessions, first = _sessions(rng, users)
    items = _view_items(rng, users, sessions, first, taste)
    if cover:
        _cover_items(rng, items, len(taste.order))
    times = _view_times(rng, users, sessions, first)

    keenness = rng.lognormal(0.0, _KEENNESS, plan.users)
    carted = _choose(rng, keenness[users], plan.carts)
    bought = carted[_choose(rng, keenness[users[carted]], plan.purchases)]
    cart_times = np.full(len(users), -1, dtype=np.int64)
    cart_times[carted] = times[carted] + 1000 + (rng.lognormal(3.5, 1.0, len(carted)) * 1000).astype(np.int64)
    transactions, bought_times = _transactions(rng, sessions[bought], cart_times[bought])

    rows = np.concatenate([np.arange(len(users)), carted, bought])
    kinds = np.repeat(np.array([VIEW, CART, PURCHASE]), [len(users), len(carted), len(bought)])
    moments = np.concatenate([times, cart_times[carted], bought_times])
    return Interactions(
        times_ms=np.minimum(moments, shape.END_MS - 1),
        users=users[rows],
        items=items[rows],
        kinds=kinds,
        transactions=np.concatenate([np.full(len(users) + len(carted), -1, dtype=np.int64), transactions]),
        sessions=sessions[rows],
    )


def _view_users(rng: np.random.Generator, plan: Plan) -> Ints:
    """The user of each view, sorted: one view each, the rest by heavy-tailed activity."""
    activity = np.cumsum(rng.lognormal(0.0, _ACTIVITY, plan.users))
    extra = np.searchsorted(activity, rng.random(max(0, plan.views - plan.users)) * activity[-1], side="right")
    counts = 1 + np.bincount(np.minimum(extra, plan.users - 1), minlength=plan.users)
    return np.repeat(np.arange(plan.users), counts)[: plan.views]


def _sessions(rng: np.random.Generator, users: Ints) -> tuple[Ints, Flags]:
    """Session number of each view, and whether the view opens its session."""
    opens = rng.random(len(users)) >= _SAME_SESSION
    opens[0] = True
    opens[1:] |= users[1:] != users[:-1]
    return np.cumsum(opens) - 1, opens


def _view_items(rng: np.random.Generator, users: Ints, sessions: Ints, opens: Flags, taste: Taste) -> Ints:
    favourites = taste.draw_topics(rng, int(users[-1]) + 1)
    topics = taste.session_topics(rng, favourites[users[opens]])
    items = taste.draw_items(rng, topics[sessions])
    fresh = opens | (rng.random(len(users)) >= _REPEAT)
    return items[np.maximum.accumulate(np.where(fresh, np.arange(len(users)), 0))]


def _cover_items(rng: np.random.Generator, items: Ints, count: int) -> None:
    """Put each unseen item in place of a repeated view of a seen one (in place)."""
    missing = np.flatnonzero(np.bincount(items, minlength=count) == 0)
    spare = np.ones(len(items), dtype=np.bool_)
    spare[np.unique(items, return_index=True)[1]] = False
    places = rng.permutation(np.flatnonzero(spare))[: len(missing)]
    items[places] = rng.permutation(missing)[: len(places)]


def _view_times(rng: np.random.Generator, users: Ints, sessions: Ints, opens: Flags) -> Ints:
    """Milliseconds of each view: sessions of a user near each other in days, views in one in seconds."""
    days = (shape.END_MS - shape.START_MS) / (24 * shape.HOUR_MS)
    owners = users[opens]
    counts = np.bincount(owners)
    begins = rng.random(len(counts)) * days
    spans = np.minimum(days - begins, _RETURN_DAYS * np.maximum(counts - 1, 0))
    starts = shape.warp(begins[owners] + spans[owners] * rng.random(len(owners)), np.bincount(sessions))

    gaps = np.where(opens, 0.0, np.minimum(rng.lognormal(*_LOG_GAP, len(users)), 1800.0) * 1000)
    elapsed = np.cumsum(gaps)
    within = np.minimum(elapsed - elapsed[opens][sessions], _SESSION_LIMIT_MS)
    times: Ints = (starts[sessions] + within).astype(np.int64)
    return times


def _choose(rng: np.random.Generator, weights: Floats, count: int) -> Ints:
    """`count` distinct indices, heavier ones more likely (Efraimidis and Spirakis 2006), ascending."""
    if not count:
        return np.empty(0, dtype=np.int64)
    keys = rng.standard_exponential(len(weights)) / weights
    return np.sort(np.argpartition(keys, count - 1)[:count]).astype(np.int64)


def _transactions(rng: np.random.Generator, sessions: Ints, cart_times: Ints) -> tuple[Ints, Ints]:
    """Transaction number and time of each purchase: what is bought in one session is one transaction."""
    unique, groups = np.unique(sessions, return_inverse=True)
    latest = np.zeros(len(unique), dtype=np.int64)
    np.maximum.at(latest, groups, cart_times)
    paid = latest + 1000 + (rng.lognormal(5.0, 1.0, len(unique)) * 1000).astype(np.int64)
    return rng.permutation(len(unique))[groups].astype(np.int64), paid[groups]
