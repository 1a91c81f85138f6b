"""Active users: how many there are, and when in the week they come."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from saran.core.analytics_shapes import CategoryRange, HeatCell, UserBehavior
from saran.dashboard import words
from saran.dashboard.answers import answered, no_figures
from saran.dashboard.connection import api
from saran.dashboard.tables import download
from saran.dashboard.views import analysis
from saran.dashboard.widgets import state

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def page() -> None:
    """Draw the page."""
    analysis.heading("Active users", "How many there are, and when in the week they come.")
    period = analysis.period("active")
    asked = CategoryRange.model_validate({"from": analysis.begin(period)})
    answer = answered("active", period, lambda: (api().user_behavior(asked), api().heatmap(asked)), draw_why=no_figures)
    if answer is None:
        return
    behaviour, week = answer
    _users(behaviour)
    st.subheader("Hours of the week", anchor=False, help="All weeks of the period laid over each other")
    st.caption(f"{analysis.told(week.as_of, week.from_, week.to)} · hours are UTC")
    if not any(cell.events for cell in week.cells):
        state("event_busy", "No event in this period", "Choose a longer one.")
        return
    rows = [cell_row(cell) for cell in week.cells]
    st.vega_lite_chart(_chart(rows), alt="Mean users by weekday and hour; the file below has the values")
    download("Download as CSV", "hours-of-the-week", rows)


def _users(answer: UserBehavior) -> None:
    active = answer.active_users
    with st.container(key="figures"):
        for label, count, meaning in (
            ("Newest day", active.day, "Users with an event on the UTC day of the newest event"),
            ("7 days", active.week, "Users with an event in the 7 days up to the newest event's day"),
            ("30 days", active.month, "Users with an event in the 30 days up to the newest event's day"),
            ("All users", answer.total_users, "Users with an event, ever"),
            ("Active sessions", answer.active_sessions, "With an event in the half hour up to the newest event"),
        ):
            st.metric(label, words.count(count), help=meaning, border=True)


def cell_row(cell: HeatCell) -> dict[str, Any]:
    """An hour of the week as a row of the chart and of its file."""
    return {
        "weekday": _WEEKDAYS[cell.weekday - 1], "hour": cell.hour, "hours": cell.hours, "users_mean": cell.users_mean,
        "events": cell.events, "views": cell.views, "purchases": cell.purchases,
    }  # fmt: skip


def _chart(rows: list[dict[str, Any]]) -> dict[str, Any]:
    users = {"field": "users_mean", "type": "quantitative"}
    return {
        "data": {"values": rows},
        "height": {"step": 34},
        "mark": {"type": "rect"},
        "encoding": {
            "x": {"field": "hour", "type": "ordinal", "title": "hour (UTC)",
                  "axis": {"labelAngle": 0, "labelOverlap": True}},
            "y": {"field": "weekday", "type": "ordinal", "sort": list(_WEEKDAYS), "title": None},
            "color": {**users, "scale": {"scheme": "teals"},
                      "legend": {"orient": "bottom", "title": "mean users"}},
            "tooltip": [
                {"field": "weekday"}, {"field": "hour", "title": "hour (UTC)"},
                {**users, "title": "users", "format": ",.1f"}, {"field": "events", "format": ","},
            ],
        },
    }  # fmt: skip
