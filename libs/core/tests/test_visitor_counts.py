"""What the visitor models are asked of a history, by hand."""

from __future__ import annotations

import numpy as np

from saran.core.entities import ACTION_CODES
from saran.core.recommender import History
from saran.core.visitor_counts import behaviour_of, totals_of
from saran.core.visitor_models import PURCHASE_INPUTS, SEGMENT_INPUTS


def _history(*events: tuple[str, str]) -> History:
    codes = np.array([ACTION_CODES[action] for action, _ in events], dtype=np.int64)
    return History([item for _, item in events], codes, np.full(len(events), np.nan))


def test_clicks_are_views_and_ratios_over_nothing_are_0() -> None:
    history = _history(("view", "x"), ("click", "x"), ("add_to_cart", "y"), ("purchase", "y"))
    asked, totals = behaviour_of("u", history), totals_of("u", history)
    assert [getattr(asked, name) for name in PURCHASE_INPUTS] == [2, 1, 2]
    assert [getattr(totals, name) for name in SEGMENT_INPUTS] == [4, 2, 1, 1, 0.5, 0.25, 0.5]
    unseen = totals_of("u", _history(("purchase", "z")))
    assert [getattr(unseen, name) for name in SEGMENT_INPUTS] == [1, 0, 0, 1, 0, 0, 0]
