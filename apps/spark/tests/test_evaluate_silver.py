"""`saran evaluate --days`: a split of silver by time, and its report beside the models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from apps.spark.tests.train_events import Row, write_events
from typer.testing import CliRunner

from saran.core.errors import SaranError
from saran.core.names import EXPOSURES
from saran.core.settings import Settings
from saran.spark.commands import app
from saran.spark.evaluate_silver import read_silver
from saran.spark.evaluate_split import SplitReport

DAY = 24 * 3600
EVENTS = [
    *(Row(pair[0], pair[1], place) for place, pair in enumerate(["1a", "1b", "1c", "2a", "2b", "3a", "4a"])),
    Row("4", "c", 5, "impression"),  # no interest
    Row("3", "a", 9 * DAY - 1),  # has it already
    Row("3", "b", 9 * DAY),
    Row("4", "c", 9 * DAY),
    Row("5", "x", 9 * DAY + 1),  # nothing of either is known
    Row("4", "a", 10 * DAY, source=EXPOSURES),  # not what a user did, so not the newest event
]
"""Learnt from: a has four users, b two, c one. Looked for: 3 takes b, 4 takes c, and 5 something new."""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SARAN_HOME", str(tmp_path))
    made = Settings(home=tmp_path)
    write_events(made, EVENTS)
    return made


def test_what_came_in_the_newest_days_is_looked_for_by_what_was_before(settings: Settings) -> None:
    made = read_silver(settings, 1, most_users=10, seed=1)
    split = made.split
    assert (made.dataset, made.events_version, made.days) == ("movielens", 0, 1)
    assert (split.user_ids, split.item_ids) == (["1", "2", "3", "4"], ["a", "b", "c"])
    assert len(split.train.users) == 7
    wanted = dict(zip(split.test_users.tolist(), [row.tolist() for row in split.relevant], strict=True))
    assert wanted == {2: [1], 3: [2], -1: [-1]}
    assert len(read_silver(settings, 1, most_users=2, seed=1).split.relevant) <= 2
    with pytest.raises(SaranError, match="nothing is left to learn from"):
        read_silver(settings, 30, most_users=10, seed=1)


def test_the_report_says_what_it_is_of_and_is_kept_with_the_models(settings: Settings) -> None:
    options = ["--models", "popularity", "--k", "1,2", "--trials", "1", "--folds", "1"]
    result = CliRunner().invoke(app, ["evaluate", "--days", "1", "--store", *options])
    assert result.exit_code == 0, result.output
    (kept,) = (settings.models_path / "evaluations").iterdir()
    report = json.loads(kept.read_text())
    assert {name: report.pop(name) for name in ("dataset", "events_version", "days")} == {
        "dataset": "movielens",
        "events_version": 0,
        "days": 1,
    }
    figures = SplitReport.model_validate(report).segments["all"].metrics["popularity"]
    # Without a: b comes first for 3 and for 4, who seeks c behind it; 5 finds nothing.
    assert figures["hr@1"].value == pytest.approx(1 / 3)
    assert figures["hr@2"].value == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--train", "a.tsv"], "name a file"),
        (["--days", "1", "--train", "a.tsv"], "does not go with --days"),
        (["--days", "1", "--sessions"], "read from files"),
        (["--train", "a.tsv", "--test", "b.tsv", "--store"], "goes with --days alone"),
    ],
)
def test_a_split_comes_from_files_or_from_silver(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["evaluate", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert said in result.output
