"""Data: the tables with their versions and sizes, what the data set has, and the report of what is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import streamlit as st

from saran.core.pipeline_shapes import TableFacts
from saran.core.system_shapes import DatasetFacts
from saran.dashboard import words
from saran.dashboard.answers import answered
from saran.dashboard.charts import bars
from saran.dashboard.connection import api, known, settings
from saran.dashboard.tables import download
from saran.dashboard.views import analysis
from saran.dashboard.widgets import failure, state

_HEIGHT: Final = 900
_LAYERS: Final = ("bronze", "silver", "gold")


def page() -> None:
    """Draw the page."""
    analysis.heading("Data", "The tables of the lakehouse, what the data set has, and what is in it.")
    metrics = known()
    found = answered("data", None, api().tables, draw_why=failure)
    if found is not None:
        _tables(found)
    if metrics is not None and metrics.about is not None:
        _data_set(metrics.dataset, metrics.about)
    _report()


def _tables(found: list[TableFacts]) -> None:
    st.subheader("Tables", anchor=False, help="By the logs of the Delta tables, at most ten seconds old")
    if not found:
        state("table", "No table yet", "`saran load` streams the data set in, and the tables are made of it.")
        return
    rows = [table_row(one) for one in sorted(found, key=lambda one: (_layer(one.name), one.name))]
    with st.container(key="figures"):
        for layer in _LAYERS:
            mine = [one for one in found if one.name.startswith(f"{layer}.")]
            if mine:
                size = words.size(sum(one.bytes for one in mine))
                st.metric(layer.capitalize(), size, help=words.plural(len(mine), "table"), border=True)
    left, right = st.columns([1.8, 1], gap="large")
    left.dataframe(
        rows,
        hide_index=True,
        alt="Tables with their versions, rows, files and sizes",
        column_config={
            "rows": st.column_config.NumberColumn(format="localized"),
            "size": st.column_config.NumberColumn(format="bytes"),
            "written (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss", timezone="UTC"),
        },
    )
    largest = sorted(found, key=lambda one: -one.bytes)[:6]
    drawn = [{"table": one.name, "MiB": one.bytes / 2**20, "text": f"{one.bytes / 2**20:,.1f}"} for one in largest]
    with right:
        st.vega_lite_chart(bars(drawn, "table", "MiB"), alt="The largest tables, in MiB")
    with left:
        download("Download as CSV", "tables", rows)


def _layer(name: str) -> int:
    layer = name.partition(".")[0]
    return _LAYERS.index(layer) if layer in _LAYERS else len(_LAYERS)


def table_row(one: TableFacts) -> dict[str, Any]:
    """A table as a row of the list and of its file; its size is in bytes."""
    return {
        "table": one.name, "rows": one.rows, "version": one.version, "size": one.bytes, "files": one.files,
        "columns": len(one.columns), "written (UTC)": one.written_at,
    }  # fmt: skip


def _data_set(name: str, about: DatasetFacts) -> None:
    st.subheader("Data set", anchor=False, help="By its spec, datasets/NAME.yaml")
    st.markdown(f"**{words.literal(about.title)}** ({words.literal(name)}): {words.literal(about.terms)}")
    by_origin: dict[str, list[str]] = {}
    for what, origin in about.capabilities:
        by_origin.setdefault(str(origin), []).append(what)
    told = [f"**{origin}**: {', '.join(names)}" for origin, names in by_origin.items() if origin != "none"]
    told += [f"not there: {', '.join(by_origin['none'])}"] if "none" in by_origin else []
    told.append(f"what users do: {', '.join(one.value.replace('_', ' ') for one in about.actions)}")
    st.markdown("\n".join(f"- {line}" for line in told))


def _report() -> None:
    st.subheader("What is in it", anchor=False)
    file = settings().home / "explore" / "report.html"
    if settings().mode == "cluster" or not file.is_file():
        st.markdown(
            "`saran explore` makes a report of shapes, types, missing values, duplicates, top values and "
            "distributions, of tables or of files before they are loaded; on a laptop it is shown here."
        )
        return
    text = file.read_text(encoding="utf-8")
    made = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    st.caption(f"Made {words.moment(made)} by `saran explore`")
    st.download_button(
        "Download the report", text, file_name="report.html", mime="text/html", on_click="ignore",
        icon=":material/download:", type="tertiary",
    )  # fmt: skip
    st.iframe(text, height=_HEIGHT)
