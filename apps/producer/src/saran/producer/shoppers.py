"""Live users, one event at a time: who does what next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from saran.core.entities import Action
from saran.producer.pool import Pool

_USERS_ACTIVE: Final = 0.2
"""Share of the users who are in a session at once."""
_LEAVE: Final = 0.18
_CLICK: Final = 0.45
_CART: Final = 0.30
_BUY: Final = 0.45
"""Chance to leave after a view; to click what was viewed; to put in the cart (or rate) what was clicked; to buy it."""


@dataclass(frozen=True)
class Step:
    """One thing that one user does; `value` is a price or a rating where the action has one."""

    user: int
    session: int
    item_id: str
    action: Action
    value: float | None


@dataclass
class _Visit:
    user: int
    session: int
    topic: int
    item: int = -1
    last: Action | None = None


class Shoppers:
    """`users` users over a pool; the same pool, users and seed take the same steps in the same order."""

    def __init__(self, pool: Pool, users: int, seed: int) -> None:
        self._pool = pool
        self._rng = np.random.default_rng([seed, 5])
        self._favourites = pool.taste.draw_topics(self._rng, users)
        activity = np.cumsum(self._rng.lognormal(0.0, 1.0, users))
        self._activity = activity / activity[-1]
        self._sessions = 0
        self._visits = [self._arrive() for _ in range(max(1, int(users * _USERS_ACTIVE)))]

    def step(self) -> Step:
        """What happens next."""
        place = int(self._rng.integers(len(self._visits)))
        visit = self._visits[place]
        action = self._next_action(visit)
        if action is None:
            visit = self._visits[place] = self._arrive()
            action = Action.VIEW
        if action is Action.VIEW:
            visit.item = int(self._pool.taste.draw_items(self._rng, np.array([visit.topic]))[0])
        visit.last = action
        return Step(visit.user, visit.session, str(self._pool.ids[visit.item]), action, self._value(action, visit.item))

    def _arrive(self) -> _Visit:
        user = int(np.searchsorted(self._activity, self._rng.random(), side="right"))
        topic = int(self._pool.taste.session_topics(self._rng, self._favourites[user : user + 1])[0])
        self._sessions += 1
        return _Visit(user, self._sessions, topic)

    def _next_action(self, visit: _Visit) -> Action | None:
        """None when the user leaves."""
        chance = self._rng.random()
        if visit.last is Action.VIEW:
            if chance < _CLICK:
                return Action.CLICK
            return None if chance < _CLICK + _LEAVE else Action.VIEW
        if visit.last is Action.CLICK and chance < _CART:
            return Action.ADD_TO_CART if self._pool.sells else Action.RATE
        if visit.last is Action.ADD_TO_CART and chance < _BUY:
            return Action.PURCHASE
        return Action.VIEW

    def _value(self, action: Action, item: int) -> float | None:
        if action is Action.RATE:
            return float(np.clip(np.round(self._rng.normal(3.8, 0.8) * 2) / 2, 0.5, 5.0))
        price = float(self._pool.prices[item])
        return price if action is Action.PURCHASE and np.isfinite(price) else None
