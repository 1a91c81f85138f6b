"""SQL: a question typed or chosen, its answer as the engine gives it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from apps.dashboard.tests.page_words import run, text_of
from deltalake import write_deltalake
from streamlit.testing.v1 import AppTest

from saran.core.names import Table
from saran.core.settings import load_settings
from saran.dashboard import connection


def _script() -> None:
    from saran.dashboard.views import sql

    sql.page()


@pytest.fixture
def tables(api_url: str) -> None:
    """A lakehouse of three views and a purchase of one user."""
    events = pa.table({"action": ["view", "purchase", "view", "view"], "user_id": ["u1"] * 4})
    write_deltalake(load_settings().table_path(Table.SILVER_EVENTS), events)


def _ask(page: AppTest, question: str) -> AppTest:
    page.text_area(key="sql.text").set_value(question)
    next(button for button in page.button if button.label == "Run").click()
    return page.run()


def test_an_answer_is_a_table_a_chart_and_a_file(tables: None) -> None:
    page = _ask(run(_script), "SELECT action, count(*) AS n FROM silver.events GROUP BY 1 ORDER BY n DESC")
    assert not page.exception
    assert page.dataframe[0].value.to_dict("records") == [{"action": "view", "n": 3}, {"action": "purchase", "n": 1}]
    assert "2 rows in" in text_of(page)
    assert "of silver.events version 0" in text_of(page)
    assert [page.selectbox(key=f"sql.{name}").value for name in ("x", "y")] == ["action", "n"]
    assert len(page.get("vega_lite_chart")) == 1
    assert len(page.get("download_button")) == 1


def test_what_is_refused_says_why(tables: None, tmp_path: Path) -> None:
    page = _ask(run(_script), f"COPY silver.events TO '{tmp_path}/out.csv'")
    assert "it is no single SELECT" in text_of(page)
    assert not page.dataframe
    assert not page.error, "`saran check` would call the page broken"
    assert "name nothing does not exist" in text_of(_ask(page, "SELECT * FROM silver.nothing")).replace('"', "")


def test_a_saved_question_is_run_when_chosen(tables: None) -> None:
    page = run(_script)
    page.text_area(key="sql.text").set_value("SELECT count(*) AS n FROM silver.events")
    page.text_input(key="sql.name").set_value("mine")
    next(button for button in page.button if button.label == "Save").click()
    page.run()
    assert (load_settings().home / "queries" / "mine.sql").exists()
    page.selectbox(key="sql.saved").set_value("most-active-users").run()
    page.selectbox(key="sql.saved").set_value("mine").run()
    assert page.dataframe[0].value.to_dict("records") == [{"n": 4}]


def test_a_cluster_says_where_sql_is(tables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARAN_MODE", "cluster")
    connection.settings.clear()
    assert "On a cluster, Trino answers" in text_of(run(_script))
