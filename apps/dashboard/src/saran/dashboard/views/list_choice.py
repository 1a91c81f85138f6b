"""The fields of "For you" that shape the list: categories, and how different its items are to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from saran.client import ApiError
from saran.core import limits
from saran.core.list_options import ListOptions
from saran.dashboard import words
from saran.dashboard.connection import categories

# Keys of st.session_state.
_CATEGORY: Final = "for_you.category"
_DIVERSITY: Final = "for_you.diversity"


def shape(limit: int, *, on_change: Callable[[], None]) -> ListOptions:
    """Draw the fields; returns how the list is wanted, always with its reasons.

    `on_change` is called when one of them is moved: what moves the list then is not an event.
    """
    try:
        sizes = {one.name: one.items for one in categories()}
    except ApiError:
        sizes = {}  # the list itself will say that the API is away
    narrow, wide = st.columns([2, 1.2], gap="large", vertical_alignment="bottom")
    chosen = narrow.multiselect(
        "Categories",
        list(sizes),
        key=_CATEGORY,
        format_func=lambda one: f"{one} · {words.count(sizes.get(one))}",
        max_selections=limits.MAX_CATEGORIES_ASKED,
        on_change=on_change,
        placeholder="All" if sizes else "The catalogue has none",
        disabled=not sizes,
        help="Only items of one of these; the number is how many there are",
    )
    diversity = wide.slider(
        "Diversity",
        0.0,
        1.0,
        0.0,
        0.05,
        key=_DIVERSITY,
        on_change=on_change,
        help="0: by score alone. Higher: each item is less like those before it",
    )
    return ListOptions(limit=limit, category=chosen, diversity=diversity, explain=True)
