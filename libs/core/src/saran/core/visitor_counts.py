"""What the visitor models are asked of a history, by the definitions that they are trained by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from saran.core.entities import ACTION_CODES, Action
from saran.core.recommender import History
from saran.core.visitor_shapes import Behaviour, Totals

LOOKS: Final = (Action.VIEW, Action.CLICK)
"""What counts as a view, in training as in answers: a click looks at an item too."""


def behaviour_of(user_id: str, history: History) -> Behaviour:
    """What the purchase predictor is asked."""
    return Behaviour(
        visitorid_to_identify=user_id,
        num_views=_count(history, LOOKS),
        num_addtocart=_count(history, [Action.ADD_TO_CART]),
        distinct_items_interacted=len(set(history.item_ids)),
    )


def totals_of(user_id: str, history: History) -> Totals:
    """What the segmentation is asked; a ratio over nothing is 0."""
    events = len(history.item_ids)
    views, carts = _count(history, LOOKS), _count(history, [Action.ADD_TO_CART])
    bought = _count(history, [Action.PURCHASE])
    return Totals(
        visitorid_to_identify=user_id,
        total_events=events,
        total_views=views,
        total_addtocart=carts,
        total_transactions=bought,
        view_ratio=_ratio(views, events),
        addtocart_ratio=_ratio(carts, events),
        transaction_ratio=_ratio(bought, views),
    )


def _count(history: History, actions: Sequence[Action]) -> int:
    return int(np.isin(history.actions, [ACTION_CODES[action] for action in actions]).sum())


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
