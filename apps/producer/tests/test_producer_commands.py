"""The command line of the producer: results on stdout, exit codes, help that teaches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saran.producer.commands import app

COMMANDS = ("load", "synthesise", "batches", "simulate", "datasets")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"saran {command}" in result.output


def test_synthesise_answers_in_json(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["synthesise", "retailrocket", "--rows", "100", "--out", str(tmp_path), "--json"])
    answer = json.loads(result.stdout)
    assert answer["dataset"] == "retailrocket"
    assert answer["files"][0]["file"] == "events.csv"
    assert answer["files"][0]["rows"] == 100


def test_datasets_lists_the_four_specs() -> None:
    answer = json.loads(CliRunner().invoke(app, ["datasets", "--json"]).stdout)
    assert [row["name"] for row in answer["datasets"]] == ["amazon", "movielens", "movies", "retailrocket"]
    assert answer["datasets"][1]["bundled"] is True


def test_an_unknown_option_value_is_a_usage_error(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["synthesise", "imdb", "--out", str(tmp_path)]).exit_code == 2


def test_a_known_error_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("real")
    command = [sys.executable, "-m", "saran.producer", "synthesise", "retailrocket", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "no stand-in" in done.stderr
    assert "Traceback" not in done.stderr
