"""Segments: how large each is and what its visitors do, and a form that asks which one a visitor belongs to."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from saran.client import ApiError
from saran.core.model_shapes import VersionDetails
from saran.core.names import Model
from saran.core.visitor_models import SEGMENT_INPUTS, Segment
from saran.core.visitor_shapes import Totals
from saran.dashboard import words
from saran.dashboard.charts import bars
from saran.dashboard.connection import api
from saran.dashboard.tables import download
from saran.dashboard.views.visitor_model import served
from saran.dashboard.widgets import failure

_MOST: Final = 10_000_000
_COUNTS: Final = {
    "total_views": "Views",
    "total_addtocart": "Carts",
    "total_transactions": "Transactions",
}
_EXAMPLE: Final = {"total_views": 45, "total_addtocart": 6, "total_transactions": 3}


def page() -> None:
    """Draw the page."""
    st.title("Segments")
    details = served(Model.USER_SEGMENTATION, train="saran train segments")
    if details is None:
        return
    left, right = st.columns([1.2, 1], gap="large")
    with left:
        _sizes(details)
    with right:
        _what_if()
    _profile(details)


def _sizes(details: VersionDetails) -> None:
    st.subheader("Sizes", anchor=False)
    whole = sum(one.visitors for one in details.segments)
    rows = [
        {"segment": one.name, "visitors": one.visitors, "text": f"{one.visitors:,} · {one.visitors / whole:.1%}"}
        for one in details.segments
        if whole
    ]
    rows.sort(key=lambda row: -int(str(row["visitors"])))
    told = ", ".join(f"{row['segment']} {row['text']}" for row in rows)
    st.vega_lite_chart(bars(rows, "segment", "visitors"), alt=f"Visitors by segment: {told}")
    st.caption(f"{words.plural(whole, 'visitor')} of the training data")


def _profile(details: VersionDetails) -> None:
    """What the middle of each segment does, one small chart an input, each on a scale of its own."""
    if not any(one.centre for one in details.segments):
        return
    st.subheader("Profile", anchor=False)
    inputs = [name for name in SEGMENT_INPUTS if any(name in one.centre for one in details.segments)]
    values = [
        {"segment": one.name, "input": _label(name), "value": one.centre[name]}
        for one in details.segments
        for name in inputs
        if name in one.centre
    ]
    chart = _profile_chart(values, [_label(name) for name in inputs])
    st.vega_lite_chart(chart, alt="The middle of each segment, by input; the table below has the values")
    rows = [_row(one) for one in details.segments]
    st.dataframe(rows, hide_index=True, alt="Segments and their middles")
    download("Download as CSV", f"segments-{details.version}", rows)
    st.caption("A count is the mean of its logarithm, undone; views and carts are over events, transactions over views")


def _row(one: Segment) -> dict[str, Any]:
    middles = {_label(name): round(value, 3) for name, value in one.centre.items()}
    return {"cluster": one.cluster_id, "segment": one.name, "visitors": one.visitors, **middles}


def _label(name: str) -> str:
    return name.removeprefix("total_").replace("addtocart", "carts").replace("_", " ")


def _what_if() -> None:
    st.subheader("Which segment?", anchor=False)
    with st.form("segment"):
        cells = st.columns(3)
        counts = {
            name: int(cell.number_input(label, 0, _MOST, _EXAMPLE[name], key=f"segments.{name}"))
            for cell, (name, label) in zip(cells, _COUNTS.items(), strict=True)
        }
        other = st.number_input(
            "Other events", 0, _MOST, 6, help="Clicks and whatever else counts as an event", key="segments.other"
        )
        asked = st.form_submit_button("Ask", type="primary", icon=":material/category_search:")
    if not asked:
        return
    totals = totals_of(**counts, other=int(other))
    try:
        answer = api().segment_user(totals)
    except ApiError as error:
        failure(error)
        return
    st.metric(
        "Segment", answer.segment, help=f"Cluster {answer.cluster_id} of model {answer.model_version}", border=True
    )
    st.caption(
        f"Asked with {totals.total_events:,} events: views {totals.view_ratio:.3f} and carts "
        f"{totals.addtocart_ratio:.3f} of them, transactions {totals.transaction_ratio:.3f} of the views"
    )
    if answer.warning:
        st.warning(words.message(answer.warning), icon=":material/warning:")


def totals_of(*, total_views: int, total_addtocart: int, total_transactions: int, other: int) -> Totals:
    """The question for these counts, with the ratios that the segmentation's definitions give."""
    whole = total_views + total_addtocart + total_transactions + other
    return Totals(
        visitorid_to_identify="what-if",
        total_events=min(whole, _MOST),
        total_views=total_views,
        total_addtocart=total_addtocart,
        total_transactions=total_transactions,
        view_ratio=total_views / whole if whole else 0,
        addtocart_ratio=total_addtocart / whole if whole else 0,
        transaction_ratio=total_transactions / total_views if total_views else 0,
    )


def _profile_chart(values: list[dict[str, Any]], order: list[str]) -> dict[str, Any]:
    axis = {"labelLimit": 110, "labelOverlap": False}
    return {
        "data": {"values": values},
        "facet": {"field": "input", "type": "nominal", "title": None, "sort": order, "header": {"labelFontSize": 12}},
        "columns": 4,
        "resolve": {"scale": {"x": "independent"}},
        "spec": {
            "width": 150,
            "height": {"step": 20},
            "mark": {"type": "bar", "cornerRadiusEnd": 3},
            "encoding": {
                "y": {
                    "field": "segment",
                    "type": "nominal",
                    "title": None,
                    "sort": None,
                    "axis": axis,
                },
                "x": {"field": "value", "type": "quantitative", "title": None, "axis": {"tickCount": 3}},
                "color": {"field": "segment", "type": "nominal", "legend": None, "sort": None},
            },
        },
    }
