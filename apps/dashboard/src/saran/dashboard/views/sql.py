"""SQL: questions to the lakehouse's tables, their answers as table, chart and file, and saved questions."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import streamlit as st

from saran.core.errors import SaranError
from saran.dashboard import words
from saran.dashboard.connection import settings
from saran.dashboard.tables import download
from saran.dashboard.views import analysis
from saran.dashboard.widgets import state
from saran.sql import sql_engine
from saran.sql.answer import Answer, Limits
from saran.sql.saved import BUNDLED, save, saved

ROWS: Final = 10_000
SECONDS: Final = 30.0
_KNOWN_SECONDS: Final = 20.0
_FORMS: Final = {"Bars": st.bar_chart, "Line": st.line_chart, "Points": st.scatter_chart}

# Keys of st.session_state.
_TEXT: Final = "sql.text"
_SAVED: Final = "sql.saved"
_NAME: Final = "sql.name"
_ANSWER: Final = "sql.answer"


def page() -> None:
    """Draw the page."""
    analysis.heading("SQL", "Questions to the tables of the lakehouse, as they are now; nothing can be changed.")
    if settings().mode == "cluster" and not settings().trino_url:
        state(
            "dns",
            "On a cluster, Trino answers",
            "Set `trino.enabled` of the chart. On a laptop this page and `saran sql` answer by themselves.",
        )
        return
    try:
        tables = _tables()
    except SaranError as error:
        _refused(error)
        return
    if not tables:
        state("table", "No table yet", "`saran load` streams the data set in, and the tables are made of it.")
        return
    left, right = st.columns([2.6, 1], gap="large")
    with left:
        _editor()
    with right:
        _columns(tables)
    found: tuple[str, Answer] | SaranError | None = st.session_state.get(_ANSWER)
    if isinstance(found, SaranError):
        _refused(found)
    elif found is not None:
        _answer(*found)


@st.cache_data(ttl=_KNOWN_SECONDS, show_spinner=False)
def _tables() -> dict[str, list[str]]:
    """Columns by table, at most _KNOWN_SECONDS old. Raises SaranError."""
    return {row["table"]: row["column_names"] for row in sql_engine(settings()).ask(BUNDLED["tables"]).rows()}


def _editor() -> None:
    questions = saved(settings())
    st.session_state.setdefault(_TEXT, next(iter(questions.values())).strip())
    st.selectbox("Saved", list(questions), key=_SAVED, index=None, placeholder="Choose a question", on_change=_take)
    st.text_area(
        "Question", key=_TEXT, height=170, help="One SELECT, DESCRIBE, SUMMARIZE or SHOW TABLES; times are UTC"
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.button("Run", type="primary", icon=":material/play_arrow:", on_click=_run)
        st.text_input("Save as", key=_NAME, placeholder="name", width=180)
        st.button("Save", icon=":material/save:", on_click=_save)


def _take() -> None:
    if name := st.session_state[_SAVED]:
        st.session_state[_TEXT] = saved(settings())[name].strip()
        _run()


def _run() -> None:
    question = st.session_state[_TEXT]
    try:
        answer = sql_engine(settings(), Limits(rows=ROWS, seconds=SECONDS)).ask(question)
        st.session_state[_ANSWER] = (question, answer)
    except SaranError as error:
        st.session_state[_ANSWER] = error


def _save() -> None:
    try:
        save(settings(), st.session_state[_NAME], st.session_state[_TEXT])
    except SaranError as error:
        st.session_state[_ANSWER] = error
    else:
        st.toast("Saved", icon=":material/save:")


def _columns(tables: dict[str, list[str]]) -> None:
    st.markdown("**Tables**")
    for name, columns in tables.items():
        with st.expander(name):
            st.caption(words.literal(", ".join(columns)))


def _refused(error: SaranError) -> None:
    st.warning(words.message(error.message), icon=":material/error:")
    if error.fix:
        st.caption(words.message(f"{error.fix[0].upper()}{error.fix[1:]}"))


def _answer(question: str, answer: Answer) -> None:
    told = [f"{words.plural(answer.table.num_rows, 'row')} in {words.duration(answer.seconds)}"]
    told += [f"the first {ROWS:,} of more"] if answer.more else []
    if used := _used(question, answer):
        told += ["of " + ", ".join(f"{name} version {version}" for name, version in used.items())]
    st.caption(" · ".join(told))
    st.dataframe(
        answer.table, hide_index=True, height=38 + 35 * min(max(answer.table.num_rows, 1), 10), alt="The answer"
    )
    download("Download as CSV", "answer", answer.rows())
    _chart(answer.table)


def _used(question: str, answer: Answer) -> dict[str, int]:
    """Tables that the question names; all of them where it names none."""
    return {name: one for name, one in answer.versions.items() if name in question.lower()} or answer.versions


def numbers(table: pa.Table) -> list[str]:
    """Names of the columns that can be drawn upwards."""
    return [
        column.name
        for column in table.schema
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
    ]


def _chart(table: pa.Table) -> None:
    values = numbers(table)
    if not values or table.num_rows < 2:
        return
    names = table.column_names
    across = next((name for name in names if name not in values), names[0])
    form, x, y, colour = st.columns(4)
    kind = form.selectbox("Chart", list(_FORMS), key="sql.chart")
    chosen_x = x.selectbox("Across", names, index=names.index(across), key="sql.x")
    chosen_y = y.selectbox("Upwards", values, key="sql.y")
    others = [name for name in names if name not in {chosen_x, chosen_y, *values}]
    chosen: dict[str, Any] = {"x": chosen_x, "y": chosen_y}
    if by := colour.selectbox("Colour", ["", *others], format_func=lambda one: one or "None", key="sql.colour"):
        chosen["color"] = by
    _FORMS[kind](table.select(list(dict.fromkeys(chosen.values()))).to_pandas(), **chosen)
