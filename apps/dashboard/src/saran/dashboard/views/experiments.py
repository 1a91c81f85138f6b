"""Experiments: what is compared, who was shown it, and how much better a variant does."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from saran.client import ApiError
from saran.core.experiment_shapes import ExperimentDefinition, ExperimentFigures, Rate, VariantFigures
from saran.core.experiments import uplift
from saran.dashboard import access, words
from saran.dashboard.answers import answered
from saran.dashboard.connection import api
from saran.dashboard.tables import download
from saran.dashboard.views import analysis
from saran.dashboard.widgets import failure, state

_CHOSEN: Final = "experiments.chosen"
_REFUSED: Final = "experiments.refused"
_RATES: Final = {
    "click_through": (
        "Click-through",
        "Of the users who were shown a list, those who then did something with an item of it",
    ),
    "conversion": (
        "Conversion",
        "Of the users who were shown a list, those who bought something after their first one",
    ),
}


def page() -> None:
    """Draw the page."""
    analysis.heading(
        "Experiments", "Users fall on variants of lists by a hash of their id; one user is one observation."
    )
    found = answered("experiments", None, api().experiments, draw_why=failure)
    if found is None:
        return
    if not found:
        state(
            "science",
            "No experiment yet",
            "With events (`saran load`) and a model (`saran train`), begin one with `PUT /experiments/NAME`.",
        )
        return
    by_name = {one.name: one for one in found}
    running = next((one.name for one in found if one.running), found[0].name)
    if len(found) > 1:
        running = st.selectbox("Experiment", list(by_name), index=list(by_name).index(running), key=_CHOSEN)
    _experiment(by_name[running])


def _experiment(one: ExperimentFigures) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(words.literal(one.name), anchor=False, width="content")
        if one.running:
            st.badge("runs", icon=":material/play_arrow:", color="green")
        else:
            st.badge("ended", icon=":material/stop:", color="gray")
    if one.description:
        st.markdown(words.literal(one.description))
    st.caption(
        f"{words.share(one.share)} of all users take part · since {words.moment(one.created_at)} · "
        f"last changed {words.moment(one.updated_at)}"
    )
    _end(one)
    for warning in one.warnings:
        st.warning(words.message(f"{warning[0].upper()}{warning[1:]}."), icon=":material/warning:")
    if one.sample_ratio is None:
        state(
            "visibility_off",
            "Nobody was shown a list of it yet",
            "Figures begin with the first one that the API answers.",
        )
        return
    _users(one)
    _rates(one)


def _end(one: ExperimentFigures) -> None:
    """A button that ends it, for who is signed in."""
    if (error := st.session_state.pop(_REFUSED, None)) is not None:
        st.error(f"It was not ended: {words.message(str(error))}", icon=":material/error:")
    who = access.person()
    if who is not None and one.running:
        st.button("End it", key="end-experiment", icon=":material/stop:", on_click=_stop, args=(who, one))


def _stop(who: access.Person, one: ExperimentFigures) -> None:
    told = one.model_dump(include=set(ExperimentDefinition.model_fields)) | {"running": False}
    try:
        with who.client() as client:
            client.put_experiment(one.name, ExperimentDefinition.model_validate(told))
    except ApiError as error:
        st.session_state[_REFUSED] = error


def _users(one: ExperimentFigures) -> None:
    ratio = one.sample_ratio
    assert ratio is not None  # noqa: S101 - somebody was shown a list
    with st.container(key="figures"):
        for figures in one.figures:
            st.metric(
                f"{figures.name}: users",
                words.count(figures.users),
                delta=f"{figures.users - figures.expected_users:+,.1f} against the weights",
                delta_color="off",
                delta_arrow="off",
                help=f"Who were shown a list of it; by the weights it would be {figures.expected_users:,.1f}",
                border=True,
            )
        st.metric(
            "Sample ratio",
            "mismatch" if ratio.mismatch else "as it should be",
            delta=f"p = {ratio.p_value:.2g}, χ² = {ratio.chi_square:.2f}",
            delta_color="off",
            delta_arrow="off",
            help="Whether users fell on variants as the weights say: Pearson's chi-square test. A mismatch, p below "
            "0.001, means that something loses users of a variant",
            border=True,
        )


def rate_rows(one: ExperimentFigures) -> list[dict[str, Any]]:
    """A row a figure and variant: the share of users with its interval, and the uplift over the first variant."""
    base = one.figures[0]
    return [
        _row(label, figures, getattr(figures, field), None if figures is base else getattr(base, field))
        for field, (label, _) in _RATES.items()
        for figures in one.figures
    ]


def _row(label: str, figures: VariantFigures, rate: Rate, base: Rate | None) -> dict[str, Any]:
    more = None if base is None else uplift(base, rate)
    known = rate.value is not None
    return {
        "figure": label, "variant": figures.name, "users": figures.users, "share": rate.value,
        "low": rate.low if known else None, "high": rate.high if known else None,
        "uplift": more.value if more else None, "uplift low": more.low if more else None,
        "uplift high": more.high if more else None, "relative": more.relative if more else None,
    }  # fmt: skip


def _rates(one: ExperimentFigures) -> None:
    rows = rate_rows(one)
    base = one.figures[0].name
    for column, (label, meaning) in zip(st.columns(2, gap="large"), _RATES.values(), strict=True):
        mine = [row for row in rows if row["figure"] == label]
        with column:
            st.subheader(label, anchor=False, help=meaning)
            st.vega_lite_chart(_chart([row for row in mine if row["share"] is not None]), alt=_spoken(mine))
            for row in mine[1:]:
                st.markdown(verdict(row, base))
    st.caption(
        "Bars with 95 % intervals (Wilson); uplift is in percentage points of users with its 95 % interval (Newcombe), "
        f"against the first variant, {words.literal(base)}"
    )
    st.dataframe(rows, hide_index=True, alt="Shares and uplifts by variant", column_config=_FORMATS)
    download("Download as CSV", f"experiment-{one.name}", rows)


_FORMATS: Final = {
    name: st.column_config.NumberColumn(format="percent")
    for name in ("share", "low", "high", "uplift", "uplift low", "uplift high", "relative")
}


def verdict(row: dict[str, Any], base: str) -> str:
    """A variant against the first one, in words."""
    name = words.literal(row["variant"])
    if row["uplift"] is None:
        return f"**{name}**: nothing to compare yet"
    points = f"{100 * row['uplift']:+.1f} points ({100 * row['uplift low']:+.1f} to {100 * row['uplift high']:+.1f})"
    relative = "" if row["relative"] is None else f", {words.change(row['relative'])} relative"
    sure = "better than" if row["uplift low"] > 0 else "worse than" if row["uplift high"] < 0 else "not told apart from"
    return f"**{name}** is {sure} {words.literal(base)}: {points}{relative}"


def _spoken(rows: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{row['variant']} {words.share(row['share'])} ({words.share(row['low'])} to {words.share(row['high'])})"
        for row in rows
    )


def _chart(rows: list[dict[str, Any]]) -> dict[str, Any]:
    share = {"field": "share", "type": "quantitative", "title": "share of users", "axis": {"format": ".0%"}}
    variant = {"field": "variant", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 140}}
    return {
        "data": {"values": rows},
        "height": 110 + 44 * len(rows),
        "encoding": {"y": variant},
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.6}, "cornerRadiusEnd": 4, "opacity": 0.85},
                "encoding": {
                    "x": share,
                    "color": {"field": "variant", "type": "nominal", "legend": None, "sort": None},
                },
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2.5, "color": "#e0a030"},
                "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}},
            },
        ],
    }
