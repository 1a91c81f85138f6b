"""What the pages of analytics have in common: the heading, the category, and the words below it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from saran.client import ApiError
from saran.dashboard import words
from saran.dashboard.connection import categories, known
from saran.dashboard.provenance import draw_labels


def heading(title: str, intro: str) -> None:
    """Draw a page's title, with labels of what was made up, and what it is about."""
    metrics = known()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(title, width="content")
        if metrics is not None:
            draw_labels(metrics)
    st.caption(intro)


def category(key: str, *, disabled: bool = False) -> str | None:
    """Draw the choice of a category; None is all."""
    try:
        names = [one.name for one in categories()]
    except ApiError:
        names = []  # what the page asks next will say that the API is away
    chosen = st.selectbox(
        "Category",
        ["", *names],
        key=key,
        format_func=lambda one: one or "All",
        disabled=disabled or not names,
    )
    return chosen or None


def told(as_of: datetime, begin: datetime, end: datetime) -> str:
    """Of which time figures are: `2026-05-01 00:00 UTC to 2026-05-04 04:00 UTC · data as of 2026-05-04 03:02 UTC`."""
    return f"{words.moment(begin)} to {words.moment(end)} · data as of {words.moment(as_of)}"


def time_axis(field: str) -> dict[str, Any]:
    """An x axis of moments in UTC."""
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc"},
        "title": "UTC",
        "axis": {"labelOverlap": True, "labelFlush": False},
    }
