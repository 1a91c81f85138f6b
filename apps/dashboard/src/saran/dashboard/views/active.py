"""Active users: how many there are, when in the week they come, and who comes again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import streamlit as st

from saran.client import ApiError
from saran.core.analytics_shapes import Bucket, CategoryRange, HeatCell, Retention, RetentionRange, UserBehavior
from saran.dashboard import words
from saran.dashboard.answers import answered, no_figures
from saran.dashboard.connection import api, known
from saran.dashboard.tables import download
from saran.dashboard.views import analysis
from saran.dashboard.widgets import state

_COHORTS: Final = {
    Bucket.DAY: timedelta(days=14),
    Bucket.WEEK: timedelta(weeks=12),
    Bucket.MONTH: timedelta(days=365),
}
"""How far back cohorts are shown, by their bucket."""

_TOLD_IN_CELLS: Final = 15
"""Times after the first, up to which a cell has room for its share."""

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def page() -> None:
    """Draw the page."""
    analysis.heading("Active users", "How many there are, when in the week they come, and who comes again.")
    period = analysis.period("active")
    asked = CategoryRange.model_validate({"from": analysis.begin(period)})
    _week(period, asked)
    _retention()


def _week(period: str, asked: CategoryRange) -> None:
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


def _retention() -> None:
    st.subheader(
        "Who comes again", anchor=False, help="Users by when they came first, and how many came in each time after"
    )
    bucket: Any = st.segmented_control(
        "Cohorts by", list(_COHORTS), default=Bucket.WEEK, format_func=str, key="active.cohort", required=True
    )
    metrics = known()
    if metrics is None or metrics.as_of is None:
        return  # what was asked first has said why
    asked = RetentionRange.model_validate({"from": metrics.as_of - _COHORTS[bucket], "bucket": bucket})
    answer = answered("active.retention", bucket, lambda: api().retention(asked), draw_why=_told_above)
    if answer is None or not answer.cohorts:
        return
    rows = retention_rows(answer)
    st.caption(f"{analysis.told(answer.as_of, answer.from_, answer.to)} · the newest {answer.bucket} counts so far")
    st.vega_lite_chart(_grid(rows, answer.bucket), alt="Shares of each cohort that came again; the file has the values")
    download("Download as CSV, retention", f"retention-{answer.bucket}", rows)


def _told_above(error: ApiError) -> None:
    """The page's first question had the same answer."""


def retention_rows(answer: Retention) -> list[dict[str, Any]]:
    """A row a cohort and time after its first event."""
    return [
        {
            "cohort": f"{cohort.start:%Y-%m-%d}", "users": cohort.users, "after": after, "came": came, "share": share,
        }
        for cohort in answer.cohorts
        for after, (came, share) in enumerate(zip(cohort.retained, cohort.rates, strict=True))
    ]  # fmt: skip


def _grid(rows: list[dict[str, Any]], bucket: str) -> dict[str, Any]:
    share = {"field": "share", "type": "quantitative"}
    few = max(row["after"] for row in rows) <= _TOLD_IN_CELLS
    text = {"field": "share", "type": "quantitative", "format": ".0%"}
    light = {"condition": {"test": "datum.share > 0.5", "value": "white"}, "value": "#1d2a2e"}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "rect"},
            "encoding": {
                "color": {**share, "scale": {"scheme": "teals", "domain": [0, 1]},
                          "legend": {"orient": "bottom", "title": "share that came again", "format": ".0%"}},
                "tooltip": [
                    {"field": "cohort", "title": "first came"}, {"field": "after", "title": f"{bucket}s after"},
                    {"field": "came", "title": "users", "format": ","}, {"field": "users", "title": "of"},
                    {**share, "format": ".1%"},
                ],
            },
        }
    ]  # fmt: skip
    if few:
        layers.append({"mark": {"type": "text", "fontSize": 11}, "encoding": {"text": text, "color": light}})
    return {
        "data": {"values": rows},
        "height": {"step": 26},
        "encoding": {
            "x": {
                "field": "after",
                "type": "ordinal",
                "title": f"{bucket}s after the first",
                "axis": {"labelAngle": 0},
            },
            "y": {"field": "cohort", "type": "ordinal", "title": None},
        },
        "layer": layers,
    }


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
