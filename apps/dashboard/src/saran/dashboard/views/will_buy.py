"""Will they buy: a form that asks the served predictor, and how far its probabilities can be relied on."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from saran.client import ApiError
from saran.core.model_shapes import VersionDetails
from saran.core.names import Model
from saran.core.version_list import Figure
from saran.core.visitor_models import Bin, Confusion
from saran.core.visitor_shapes import Behaviour
from saran.dashboard import words
from saran.dashboard.connection import api
from saran.dashboard.tables import download
from saran.dashboard.views.visitor_model import served
from saran.dashboard.widgets import failure

_MOST: Final = 10_000_000


def page() -> None:
    """Draw the page."""
    st.title("Will they buy")
    details = served(Model.TRANSACTION_PREDICTOR, train="saran train purchase")
    if details is None:
        return
    left, right = st.columns([1, 1.2], gap="large")
    with left:
        _what_if(details)
    with right:
        _figures(details)
    if not details.calibration:
        st.info("This version's manifest has no calibration, so there is no curve to show.", icon=":material/info:")
        return
    _curves(details.calibration)


def _what_if(details: VersionDetails) -> None:
    st.subheader("What if?", anchor=False)
    with st.form("behaviour"):
        cells = st.columns(3)
        views = cells[0].number_input("Views", 0, _MOST, 15, key="will_buy.views")
        carts = cells[1].number_input("Carts", 0, _MOST, 2, key="will_buy.carts")
        items = cells[2].number_input("Different items", 0, _MOST, 8, key="will_buy.items")
        asked = st.form_submit_button("Ask", type="primary", icon=":material/shopping_cart_checkout:")
    if not asked:
        return
    behaviour = Behaviour(
        visitorid_to_identify="what-if",
        num_views=int(views),
        num_addtocart=int(carts),
        distinct_items_interacted=int(items),
    )
    try:
        answer = api().predict_transaction(behaviour)
    except ApiError as error:
        failure(error)
        return
    horizon = "" if details.horizon_days is None else f" within {details.horizon_days:g} days"
    st.metric(f"Chance of a purchase{horizon}", f"{answer.probability:.1%}", border=True)
    said = "at or above" if answer.will_transact else "below"
    if details.threshold is not None:
        st.caption(
            f"**{'Will buy' if answer.will_transact else 'Will not buy'}**: {said} the threshold "
            f"{details.threshold:.1%} that the training chose · model {words.literal(answer.model_version)}"
        )


def _figures(details: VersionDetails) -> None:
    st.subheader("On visitors it had not seen", anchor=False)
    st.dataframe(
        figure_rows(details.figures), hide_index=True, alt="Figures by model, with 95 % intervals where there are some"
    )
    told = [] if details.test_users is None else [f"{details.test_users:,} test visitors"]
    told += [] if details.split is None else [f"split: {words.literal(details.split)}"]
    st.caption(" · ".join(told))
    if details.confusion is not None:
        _confusion(details.confusion)


def figure_rows(figures: dict[str, Figure]) -> list[dict[str, str]]:
    """A row a model, a column a metric, of figures by `model/metric`."""
    rows: dict[str, dict[str, str]] = {}
    for path, figure in figures.items():
        model, _, metric = path.rpartition("/")
        rows.setdefault(model, {"model": model})[metric] = str(figure)
    return list(rows.values())


def _confusion(table: Confusion) -> None:
    rows = [
        {"at the threshold": "said to buy", "bought": table.bought_foretold, "did not": table.not_bought_foretold},
        {"at the threshold": "said not to", "bought": table.bought_missed, "did not": table.not_bought_missed},
    ]
    st.dataframe(rows, hide_index=True, alt="Test visitors by what was said and what they did")


def _curves(bins: list[Bin]) -> None:
    rows = curve(bins)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Calibration", help="On the line, what was said is what was so", anchor=False)
        told = ", ".join(f"{row['predicted']:.3f} said, {row['observed']:.3f} so" for row in rows)
        st.vega_lite_chart(_calibration_chart(rows), alt=f"Calibration by group: {told}")
    with right:
        st.subheader("Lift", help="How many times likelier to buy than all, by group", anchor=False)
        lifts = ", ".join(f"{row['group']}: {words.UNKNOWN if row['lift'] is None else row['lift']}" for row in rows)
        st.vega_lite_chart(_lift_chart(rows), alt=f"Lift by group of visitors, likeliest first: {lifts}")
    st.caption(
        f"Tenths of the test visitors, likeliest first; those of one probability are one group, so there are "
        f"{len(rows)}, of {', '.join(words.count(row['visitors']) for row in rows)} visitors"
    )
    download("Download as CSV", "calibration", rows)


def curve(bins: list[Bin]) -> list[dict[str, Any]]:
    """Each bin with its place, likeliest first, and its lift: its share of buyers over that of all."""
    visitors = sum(one.visitors for one in bins)
    base = sum(one.visitors * one.observed for one in bins) / visitors if visitors else 0.0
    return [
        {
            "group": place, "visitors": one.visitors, "predicted": one.predicted, "observed": one.observed,
            "lift": round(one.observed / base, 3) if base else None,
        }
        for place, one in enumerate(bins, start=1)
    ]  # fmt: skip


def _calibration_chart(rows: list[dict[str, Any]]) -> dict[str, Any]:
    reach = 1.05 * max(max(row["predicted"], row["observed"]) for row in rows) or 1.0
    scale = {"domain": [0, reach], "nice": False}
    line = [{"predicted": 0, "observed": 0}, {"predicted": reach, "observed": reach}]
    encoding = {
        "x": {"field": "predicted", "type": "quantitative", "title": "probability said", "scale": scale},
        "y": {"field": "observed", "type": "quantitative", "title": "share that bought", "scale": scale},
    }
    return {
        "height": 260,
        "encoding": encoding,
        "layer": [
            {"data": {"values": line}, "mark": {"type": "line", "strokeDash": [4, 4], "opacity": 0.5}},
            {"data": {"values": rows}, "mark": {"type": "line", "point": {"size": 60, "filled": True}}},
        ],
    }


def _lift_chart(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "height": 260,
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "bar", "cornerRadiusEnd": 4},
                "encoding": {
                    "x": {"field": "group", "type": "ordinal", "title": "group of visitors, likeliest first",
                          "axis": {"labelAngle": 0}},
                    "y": {"field": "lift", "type": "quantitative", "title": "times the average"},
                },
            },
            {"data": {"values": [{"one": 1}]}, "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.5},
             "encoding": {"y": {"field": "one", "type": "quantitative"}}},
        ],
    }  # fmt: skip
