"""Funnel: how many that viewed come to click, put into the cart and buy, and how long they take."""

from __future__ import annotations

from typing import Any, Final, Literal

import streamlit as st

from saran.core.analytics_shapes import Funnel, FunnelPoint, FunnelRange, FunnelSteps
from saran.dashboard import words
from saran.dashboard.answers import answered, no_figures
from saran.dashboard.charts import bars, legend, time_axis
from saran.dashboard.connection import api
from saran.dashboard.tables import download
from saran.dashboard.views import analysis
from saran.dashboard.views.funnel_users import funnel_users
from saran.dashboard.widgets import state

_SCOPES: Final[dict[Literal["item", "session"], tuple[str, str]]] = {
    "item": ("Items", "A user's views of an item in one hour are one entry; steps count up to a day after the view."),
    "session": ("Sessions", "A session is one entry; steps count after its first view."),
}
_RATES: Final = {"cart_rate": "cart rate", "purchase_rate": "purchase rate"}


def page() -> None:
    """Draw the page."""
    analysis.heading("Funnel", "From the view to the click, the cart and the purchase.")
    left, middle = st.columns(2, gap="small", vertical_alignment="bottom")
    scope = left.segmented_control(
        "Count", list(_SCOPES), default="item", format_func=lambda one: _SCOPES[one][0], key="funnel.scope",
        required=True,
    )  # fmt: skip
    with middle:
        category = analysis.category("funnel.category", disabled=scope == "session")
    left, middle = st.columns(2, gap="small", vertical_alignment="bottom")
    with left:
        period = analysis.period("funnel")
    with middle:
        bucket = analysis.bucket("funnel", period)
    asked = FunnelRange.model_validate(
        {
            "from": analysis.begin(period),
            "bucket": bucket,
            "scope": scope,
            "category": None if scope == "session" else category,
        }
    )
    answer = answered("funnel", (period, bucket, scope, category), lambda: api().funnel(asked), draw_why=no_figures)
    if answer is None:
        return
    st.caption(f"{analysis.told(answer.as_of, answer.from_, answer.to)} · {_SCOPES[answer.scope][1]}")
    if not answer.total.viewed:
        state("filter_alt_off", "No view in this period", "A funnel begins with one: choose a longer period.")
        return
    _whole(answer.total)
    _over_time(answer)
    funnel_users(period, asked)


def _whole(total: FunnelSteps) -> None:
    with st.container(key="figures"):
        for label, value, meaning in (
            ("Cart rate", words.share(total.cart_rate), "Carts over views"),
            ("Purchase rate", words.share(total.purchase_rate), "Purchases over views"),
            (
                "Cart to purchase",
                words.share(total.cart_to_purchase),
                "Above 100% where more is bought than was put in",
            ),
            ("To the cart", words.duration(total.seconds_to_cart), "From the view to the first cart, on average"),
            (
                "To the purchase",
                words.duration(total.seconds_to_purchase),
                "From the view to the first one, on average",
            ),
        ):
            st.metric(label, value, help=meaning, border=True)
    rows = step_rows(total)
    told = ", ".join(f"{row['step']} {row['text']}" for row in rows)
    st.vega_lite_chart(bars(rows, "step", "entries"), alt=f"Entries by step: {told}")


def step_rows(total: FunnelSteps) -> list[dict[str, Any]]:
    """The steps with their share of those that viewed."""
    steps = {"view": total.viewed, "click": total.clicked, "cart": total.carted, "purchase": total.purchased}
    return [
        {"step": step, "entries": entries, "text": f"{entries:,} · {entries / total.viewed:.1%}"}
        for step, entries in steps.items()
    ]


def _over_time(answer: Funnel) -> None:
    st.subheader("Over time", anchor=False, help="By the time of the view; buckets without a view are left out")
    rates = [
        {"start": point.start.isoformat(), "at": words.moment(point.start), "rate": label, "share": share}
        for field, label in _RATES.items()
        for point in answer.points
        if (share := getattr(point, field)) is not None
    ]
    st.vega_lite_chart(_chart(rates), alt="Cart rate and purchase rate over time; the file below has the values")
    st.caption(
        f"Share of the views of each {answer.bucket}. What follows a view up to a day later still comes in, so the "
        "newest ones rise"
    )
    download("Download as CSV", f"funnel-{answer.scope}-{answer.bucket}", [point_row(one) for one in answer.points])


def point_row(point: FunnelPoint) -> dict[str, Any]:
    """A bucket as a row of the file, times in UTC and seconds."""
    return {"start": point.start.isoformat(), **point.model_dump(exclude={"start"})}


def _chart(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "data": {"values": rows},
        "height": 280,
        "mark": {"type": "line", "point": {"size": 30, "filled": True}},
        "encoding": {
            "x": time_axis("start"),
            "y": {"field": "share", "type": "quantitative", "title": "share of views", "axis": {"format": ".1%"}},
            "color": legend("rate", list(_RATES.values())),
            "tooltip": [
                {"field": "rate"},
                {"field": "at", "title": "from"},
                {"field": "share", "type": "quantitative", "format": ".2%"},
            ],
        },
    }
