"""What the pages of analytics have in common: the heading, the category, the period, and the words below it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import streamlit as st

from saran.client import ApiError
from saran.core import limits
from saran.core.analytics_shapes import Bucket
from saran.dashboard import words
from saran.dashboard.connection import categories, known
from saran.dashboard.provenance import draw_labels

_PERIODS: Final[dict[str, tuple[timedelta | None, list[Bucket]]]] = {
    "24 hours": (timedelta(days=1), [Bucket.HOUR]),
    "7 days": (timedelta(days=7), [Bucket.DAY, Bucket.HOUR]),
    "30 days": (timedelta(days=30), [Bucket.DAY, Bucket.WEEK, Bucket.HOUR]),
    "1 year": (timedelta(days=365), [Bucket.WEEK, Bucket.MONTH, Bucket.DAY]),
    "All": (None, [Bucket.MONTH, Bucket.WEEK]),
}
"""By name the time up to the newest event, None from the first one on, and the buckets that can be told apart in it."""

_FINE: Final[dict[str, tuple[timedelta | None, list[Bucket]]]] = {
    "1 hour": (timedelta(hours=1), [Bucket.MINUTE]),
    **_PERIODS,
    "24 hours": (timedelta(days=1), [Bucket.HOUR, Bucket.MINUTE]),
}
"""The same, with buckets of minutes."""


def heading(title: str, intro: str) -> None:
    """Draw a page's title, with labels of what was made up, and what it is about."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        # What can be read is there before the API is asked.
        st.title(title, width="content")
        labels = st.container(horizontal=True, width="content", gap="small")
    st.caption(intro)
    with labels:
        if (metrics := known()) is not None:
            draw_labels(metrics)


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


def period(key: str, *, minutes: bool = False, on_change: Callable[[], None] | None = None) -> str:
    """Draw the choice of a period, also of those that have buckets of minutes; returns its name."""
    offered = list(_FINE if minutes else _PERIODS)
    chosen: str = st.segmented_control(
        "Period", offered, default="30 days", key=f"{key}.period", required=True, on_change=on_change
    )
    return chosen


def bucket(key: str, chosen: str, *, minutes: bool = False, on_change: Callable[[], None] | None = None) -> Bucket:
    """Draw the choice of a bucket of the period `chosen`."""
    offered = (_FINE if minutes else _PERIODS)[chosen][1]
    found: Bucket = st.segmented_control(
        "Each", offered, default=offered[0], format_func=str, key=f"{key}.bucket.{chosen}", required=True,
        on_change=on_change,
    )  # fmt: skip
    return found


def begin(chosen: str) -> datetime | None:
    """When the period `chosen` begins, in whole hours up to the newest event's; None while that is not known."""
    length = _FINE[chosen][0]
    if length is None:
        return datetime.fromisoformat(limits.MIN_EVENT_TIME)
    metrics = known()
    if metrics is None or metrics.as_of is None:
        return None
    return metrics.as_of.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) - length
