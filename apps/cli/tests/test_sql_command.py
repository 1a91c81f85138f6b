"""`saran sql`: answers as a table, JSON and CSV, and saved questions."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from saran.cli.main import app
from saran.core.names import Table
from saran.core.settings import Settings

COUNTS = "SELECT action, count(*) AS events FROM silver.events GROUP BY 1 ORDER BY 2 DESC"


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Runs commands over a lakehouse of three views and a purchase."""
    monkeypatch.setenv("SARAN_HOME", str(tmp_path))
    events = pa.table({"action": ["view", "purchase", "view", "view"]})
    write_deltalake(Settings(home=tmp_path).table_path(Table.SILVER_EVENTS), events)
    return CliRunner()


def test_forms_of_an_answer(runner: CliRunner) -> None:
    told = json.loads(runner.invoke(app, ["sql", COUNTS, "--json"]).stdout)
    assert told["rows"] == [{"action": "view", "events": 3}, {"action": "purchase", "events": 1}]
    assert (told["more"], told["versions"]) == (False, {"silver.events": 0})
    lines = runner.invoke(app, ["sql", COUNTS, "--csv"]).stdout.splitlines()
    assert list(csv.reader(lines)) == [["action", "events"], ["view", "3"], ["purchase", "1"]]
    shown = runner.invoke(app, ["sql", COUNTS, "--rows", "1"])
    assert "view" in shown.stdout
    assert "purchase" not in shown.stdout
    assert "versions: silver.events 0" in shown.stdout
    assert "more rows than 1" in shown.stderr


def test_a_question_is_saved_and_asked_by_its_name(runner: CliRunner, tmp_path: Path) -> None:
    assert runner.invoke(app, ["sql", COUNTS, "--save", "actions"]).exit_code == 0
    assert (tmp_path / "queries" / "actions.sql").read_text() == COUNTS + "\n"
    assert '"events": 3' in runner.invoke(app, ["sql", "--saved", "actions", "--json"]).stdout
    assert "actions\n" in runner.invoke(app, ["sql"]).stdout
    for wrong in (["--saved", "none"], [COUNTS, "--saved", "actions"], ["DROP VIEW silver.events"]):
        assert runner.invoke(app, ["sql", *wrong]).exit_code == 1
