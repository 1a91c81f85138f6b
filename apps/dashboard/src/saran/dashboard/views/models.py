"""Models: which versions there are, how they were measured beside champion and popularity, and their cards."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from saran.core.model_folder import Metric
from saran.core.model_shapes import ModelVersions, VersionDetails
from saran.core.names import Model
from saran.core.version_list import Figure
from saran.dashboard import words
from saran.dashboard.answers import answered
from saran.dashboard.connection import api
from saran.dashboard.tables import download
from saran.dashboard.views.champion_moves import champion_moves
from saran.dashboard.views.model_card import POPULARITY, chart, metric_name, spoken
from saran.dashboard.widgets import state

_TITLES: Final = {
    Model.RECOMMENDER: "Recommender",
    Model.TRANSACTION_PREDICTOR: "Purchase predictor",
    Model.USER_SEGMENTATION: "Segments",
    Model.ITEM_CLASSIFIER: "Item classifier",
}
_SHOWN_FIGURES: Final = 3
"""Figures of a version that the table has columns for; all are below it."""


def page() -> None:
    """Draw the page."""
    st.title("Models")
    st.caption("Versions, how each was measured, and the one that is served. Times in UTC; intervals are 95 %.")
    every = answered("models", None, lambda: api().models())
    if every is None:
        return
    if not every:
        state("model_training", "No model yet", "Train the first one with `saran train`: its versions are shown here.")
        return
    by_name = {one.name: one for one in every}
    name = st.segmented_control(
        "Model",
        list(by_name),
        default=next(iter(by_name)),
        format_func=lambda one: _TITLES.get(one, one),
        required=True,
        label_visibility="collapsed",
        key="models.name",
    )
    _model(by_name[name])


def _model(model: ModelVersions) -> None:
    for version, why in model.unreadable.items():
        st.warning(words.message(f"{version} cannot be read: {why}"), icon=":material/warning:")
    if not model.versions:
        return
    _table(model)
    names = [one.version for one in model.versions]
    aliases = {one.version: one.alias for one in model.versions}
    version = st.selectbox(
        "Version",
        names,
        index=names.index(model.champion) if model.champion in names else 0,
        format_func=lambda one: f"{one} · {aliases[one]}" if aliases[one] else one,
        key=f"models.version.{model.name}",
    )
    details = answered("models.details", (model.name, version), lambda: api().model(model.name, version))
    if details is None:
        return
    beside = None
    if model.champion in names and model.champion != version:
        champion = model.champion
        beside = answered("models.champion", (model.name, champion), lambda: api().model(model.name, champion))
    _details(details, beside)
    champion_moves(model, version)


def _table(model: ModelVersions) -> None:
    shown = list(dict.fromkeys(path for one in model.versions for path in one.figures))[:_SHOWN_FIGURES]
    rows = [
        {
            "version": one.version,
            "alias": one.alias,
            "trained (UTC)": one.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M"),
            **{path: str(one.figures.get(path, words.UNKNOWN)) for path in shown},
            "data": f"{one.dataset} (synthetic)" if one.synthetic else one.dataset,
            "algorithm": one.algorithm,
        }
        for one in model.versions
    ]
    st.dataframe(rows, hide_index=True, alt=f"Versions of {model.name}, newest first")
    told = [words.plural(len(rows), "version")]
    if model.more:
        told.append(f"{words.plural(model.more, 'older one')} not shown")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(" · ".join(told), width="content")
        download("Download as CSV", f"{model.name}-versions", rows)


def _details(details: VersionDetails, champion: VersionDetails | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(words.literal(details.version), width="content", anchor=False)
        if details.alias:
            st.badge(details.alias, icon=":material/trophy:" if details.alias == "champion" else ":material/swords:")
        if details.synthetic:
            st.badge("synthetic data", icon=":material/science:", color="orange")
    now = datetime.now(UTC)
    st.caption(
        f"{words.literal(details.algorithm)} · trained {words.moment(details.created_at)} "
        f"({words.ago(details.created_at, now)}) · data as of {words.moment(details.newest_event)} · "
        f"{words.literal(details.window)}"
    )
    if details.figures:
        _figures(details, champion)
    else:
        st.info("This version was not measured, so there is no figure to show.", icon=":material/info:")
    if details.comparison is not None:
        one = details.comparison
        st.markdown(
            f"Beside the champion of its day, {words.literal(one.champion)}: {words.literal(one.metric)} "
            f"differs by **{one.difference.value:+.4f}** ({one.difference.low:+.4f} to {one.difference.high:+.4f}); "
            f"{words.literal(one.how.rstrip('.'))}."
        )
    if details.card:
        with st.expander("Model card", icon=":material/article:"):
            st.markdown(details.card)
    with st.expander("Parameters and tables", icon=":material/tune:"):
        rows = [*details.parameters.items(), ("seed", details.seed)]
        st.dataframe(
            [{"parameter": name, "value": str(value)} for name, value in sorted(rows)],
            hide_index=True,
            alt="Parameters that the version was trained with",
        )
        st.dataframe(
            [{"table": name, "version read": version} for name, version in sorted(details.tables.items())],
            hide_index=True,
            alt="Delta tables and their versions",
        )


def _figures(details: VersionDetails, champion: VersionDetails | None) -> None:
    """A chart a metric that has intervals, with the champion's where measured alike; other figures as numbers."""
    alike = champion is not None and (champion.split, champion.test_users) == (details.split, details.test_users)
    charts = compared(details.figures, champion.figures if champion is not None and alike else {})
    for start in range(0, len(charts), 3):
        row = list(charts.items())[start : start + 3]
        for column, (metric, figures) in zip(st.columns(min(len(charts), 3)), row, strict=False):
            with column:
                st.vega_lite_chart(chart(metric_name(metric), figures), alt=spoken(metric_name(metric), figures))
    if plain := {path: figure.value for path, figure in details.figures.items() if figure.low is None}:
        st.dataframe(
            [{"figure": path, "value": round(value, 4)} for path, value in plain.items()],
            hide_index=True,
            alt="Figures without an interval",
        )
    told = [] if details.test_users is None else [f"over {details.test_users:,} test users or visitors"]
    told += [] if details.split is None else [f"split: {words.literal(details.split)}"]
    if champion is not None and not alike:
        told.append("the champion was measured on another split: its figures are not put beside these")
    if told:
        st.caption(" · ".join(told))


def compared(figures: dict[str, Figure], champion: dict[str, Figure]) -> dict[str, dict[str, Metric]]:
    """Metric → model → figure, of figures with intervals by `model/metric`; the champion's models are named so."""
    found: dict[str, dict[str, Metric]] = {}
    for mark, given in (("", figures), ("champion’s ", champion)):
        for path, figure in given.items():
            model, slash, metric = path.partition("/")
            if not slash:
                model, metric = "this version", path
            if figure.low is None or figure.high is None or (mark and (model == POPULARITY or metric not in found)):
                continue
            found.setdefault(metric, {})[f"{mark}{model}"] = Metric(
                value=figure.value, low=figure.low, high=figure.high
            )
    return found
