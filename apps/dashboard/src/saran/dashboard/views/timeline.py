"""Event timeline: what users do over time, stacked by action, from minutes to months."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from saran.core.analytics_shapes import BucketRange, Timeline, TimelinePoint
from saran.dashboard import words
from saran.dashboard.answers import answered, no_figures
from saran.dashboard.charts import legend, time_axis
from saran.dashboard.connection import api
from saran.dashboard.tables import download
from saran.dashboard.views import analysis, zoom
from saran.dashboard.widgets import state

_ACTIONS: Final = ("views", "clicks", "carts", "purchases", "rates", "impressions")


def page() -> None:
    """Draw the page."""
    analysis.heading("Event timeline", "Events by action and time.")
    period = analysis.period("timeline", minutes=True, on_change=zoom.reset)
    left, right = st.columns(2, gap="small", vertical_alignment="bottom")
    with left:
        bucket = analysis.bucket("timeline", period, minutes=True, on_change=zoom.reset)
    with right:
        category = analysis.category("timeline.category")
    within = zoom.zoomed()
    wide = {"from": analysis.begin(period), "bucket": bucket}
    window = wide if within is None else {"from": within.begin, "to": within.end, "bucket": within.bucket}
    asked = BucketRange.model_validate({**window, "category": category})
    question = (period, bucket, category, within)
    answer = answered("timeline", question, lambda: api().timeline(asked), draw_why=no_figures)
    if answer is None:
        return
    st.caption(f"{analysis.told(answer.as_of, answer.from_, answer.to)} · events of each {answer.bucket}")
    rows = action_rows(answer)
    if not rows:
        state("event_busy", "No event in this period", "Choose a longer one, or all categories.")
    zoom.draw(answer, [sum(getattr(one, action) for action in _ACTIONS) for one in answer.points])
    if not rows:
        return
    _totals(answer, rows)
    st.vega_lite_chart(_chart(rows), alt="Events over time by action; the file below has the values")
    download("Download as CSV", f"timeline-{answer.bucket}", [point_row(one) for one in answer.points])


def action_rows(answer: Timeline) -> list[dict[str, Any]]:
    """A row an action and bucket, of the actions that there are."""
    return [
        {
            "action": action,
            "start": one.start.isoformat(),
            "at": words.moment(one.start),
            "events": getattr(one, action),
        }
        for action in _ACTIONS
        if any(getattr(one, action) for one in answer.points)
        for one in answer.points
    ]


def _totals(answer: Timeline, rows: list[dict[str, Any]]) -> None:
    with st.container(key="figures"):
        for action in dict.fromkeys(row["action"] for row in rows):
            total = sum(row["events"] for row in rows if row["action"] == action)
            st.metric(action.capitalize(), words.count(total), border=True)
        known = [one.revenue for one in answer.points if one.revenue is not None]
        if known:
            priced = sum(one.priced for one in answer.points)
            meaning = f"Of the {words.plural(priced, 'purchase')} whose amount is known, in the data's currency"
            st.metric("Revenue", f"{sum(known):,.2f}", help=meaning, border=True)


def point_row(point: TimelinePoint) -> dict[str, Any]:
    """A bucket as a row of the file, times in UTC."""
    return {"start": point.start.isoformat(), **point.model_dump(exclude={"start"})}


def _chart(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "data": {"values": rows},
        "height": 360,
        "mark": {"type": "bar"},
        "encoding": {
            "x": time_axis("start"),
            "y": {"field": "events", "type": "quantitative", "title": "events", "stack": "zero"},
            "color": legend("action", list(dict.fromkeys(row["action"] for row in rows))),
            "tooltip": [{"field": "action"}, {"field": "at", "title": "from"}, {"field": "events"}],
        },
    }
