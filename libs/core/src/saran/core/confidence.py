"""From events to implicit-feedback confidence: one function for the trainer and for the API.

Both keep the last H events of a user, give each event a strength by its action, and add the strengths up
by item. The recommender's confidence in a pair is then `1 + alpha * strength` (Hu, Koren, Volinsky:
"Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from saran.core.entities import ACTION_CODES, Action

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


class RateWeight(BaseModel):
    """Strength of a rating: `scale * (value - minus)`, never below 0; a rating without value counts as `scale`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minus: float = Field(default=0.0, description="Ratings at or below this are no interest")
    scale: float = Field(default=1.0, gt=0)


class Weights(BaseModel):
    """Strength of one event by its action; a dataset spec can set each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: float = Field(default=1.0, ge=0)
    click: float = Field(default=1.0, ge=0)
    add_to_cart: float = Field(default=3.0, ge=0)
    purchase: float = Field(default=5.0, ge=0)
    rate: RateWeight = RateWeight()
    impression: float = Field(default=0.0, ge=0)


class Interactions(NamedTuple):
    """Summed strengths, sorted by user, then item; three arrays of one length."""

    users: IntArray
    items: IntArray
    strengths: FloatArray


def strengths(actions: NDArray[np.integer], values: FloatArray, weights: Weights) -> FloatArray:
    """Strength of each event, shape (events,).

    `actions` holds `ACTION_CODES`, `values` the event values with NaN where there is none.
    """
    table = np.zeros(len(ACTION_CODES))
    for action in (Action.VIEW, Action.CLICK, Action.ADD_TO_CART, Action.PURCHASE, Action.IMPRESSION):
        table[ACTION_CODES[action]] = getattr(weights, action)
    result: FloatArray = table[actions]
    rated = actions == ACTION_CODES[Action.RATE]
    if rated.any():
        above = np.where(np.isnan(values[rated]), 1.0, values[rated] - weights.rate.minus)
        result[rated] = weights.rate.scale * np.maximum(above, 0.0)
    return result


def interactions(users: IntArray, items: IntArray, strength: FloatArray, *, history: int) -> Interactions:
    """Add up the last `history` events of each user by item, and leave out what is no interest.

    The three arrays, shape (events,), hold each user's events together and oldest first; items are indices ≥ 0.
    Events with item -1 (unknown to the caller) count towards `history` and are then left out.
    """
    keep = _age_within_user(users) < history
    keep &= (strength > 0) & (items >= 0)
    users, items, strength = users[keep], items[keep], strength[keep]
    order = np.lexsort((items, users))
    users, items, strength = users[order], items[order], strength[order]
    if not len(users):
        return Interactions(users, items, strength)
    first = np.flatnonzero(np.r_[True, (users[1:] != users[:-1]) | (items[1:] != items[:-1])])
    return Interactions(users[first], items[first], np.add.reduceat(strength, first))


def _age_within_user(users: IntArray) -> IntArray:
    """How many later events of the same user follow each event; 0 for a user's newest."""
    if not len(users):
        return np.zeros(0, dtype=np.int64)
    last = np.flatnonzero(np.r_[users[1:] != users[:-1], True])
    run = np.searchsorted(last, np.arange(len(users)))
    age: IntArray = last[run] - np.arange(len(users))
    return age
