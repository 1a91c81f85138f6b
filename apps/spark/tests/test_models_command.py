"""`saran models` as a person and as a script see it; MLflow is away, which is told and stands in nobody's way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from apps.spark.tests.registry_versions import write_version
from tests.servers import free_offset
from typer.testing import CliRunner, Result

from saran.core import champions
from saran.core.errors import SaranError
from saran.core.model_folder import Comparison, Metric
from saran.core.names import Model
from saran.core.settings import Settings
from saran.spark.commands import app

NAME = Model.RECOMMENDER


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home with two versions, of which `old` is the champion and `new` was measured beside it."""
    monkeypatch.setenv("SARAN_HOME", str(tmp_path))
    monkeypatch.setenv("SARAN_MLFLOW__URL", f"http://127.0.0.1:{8000 + free_offset()}")
    settings = Settings()
    write_version(settings.models_path, "old")
    champions.promote(settings.models_path, NAME, "old", why="first")
    difference = Metric(value=-0.02, low=-0.05, high=0.01)
    comparison = Comparison(champion="old", metric="ndcg@10", difference=difference, how="On the same past.")
    write_version(settings.models_path, "new", day=1, comparison=comparison, seed=6)
    return settings


def models(*arguments: str) -> Result:
    answer = CliRunner().invoke(app, ["models", *arguments])
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    assert answer.exit_code == 0, answer.output
    return answer


def as_json(*arguments: str) -> Any:
    return json.loads(models(*arguments, "--json").stdout)


def test_the_list_tells_who_is_who(settings: Settings) -> None:
    (settings.models_path / NAME / "half").mkdir()
    (settings.models_path / NAME / "half" / "manifest.json").write_text("{")
    told = as_json("list")
    assert [(one["version"], one["alias"], one["mlflow"]) for one in told["versions"]] == [
        ("new", "challenger", None),
        ("old", "champion", None),
    ]
    assert told["versions"][0]["figures"]["als/ndcg@10"] == {"value": 0.3, "low": 0.2, "high": 0.4}
    assert list(told["unreadable"]) == ["recommender half"]
    answer = models("list")
    assert "als/ndcg@10 0.3000 (0.2000 to 0.4000)" in answer.stdout
    assert "does not answer" in answer.stderr
    assert as_json("list", "--model", "segments") == {"versions": [], "unreadable": {}}


def test_a_card_is_shown_by_name_by_beginning_and_by_alias(settings: Settings) -> None:
    for wanted in ("new", "ne", "challenger"):
        assert as_json("show", wanted)["version"] == "new"
    told = models("show", "challenger").stdout
    assert "ndcg@10 less that of old" in told
    assert "-0.0200 (-0.0500 to 0.0100)" in told
    assert "Known limits" in told
    with pytest.raises(SaranError, match=r"there is no version other of any model .*saran models list"):
        models("show", "other")


def test_two_versions_side_by_side(settings: Settings) -> None:
    told = as_json("compare", "champion", "challenger")
    assert told["differences"]["seed"] == ["5", "6"]
    assert "dataset" not in told["differences"]
    assert told["figures"]["als/ndcg@10"] == ["0.3000 (0.2000 to 0.4000)"] * 2
    assert told["words"] == ["ndcg@10 of new less that of old, on the same users: -0.0200 (-0.0500 to 0.0100)"]
    write_version(settings.models_path, "later", day=2, tables={"silver.events": 9})
    told = as_json("compare", "old", "later")
    assert "cannot be set against each other: the tables" in told["words"][0]
    write_version(settings.models_path, "blind", day=3, evaluation=None)
    assert as_json("compare", "old", "blind")["words"] == ["not both were measured"]


def test_promoted_and_rolled_back(settings: Settings) -> None:
    told = as_json("promote", "new")
    assert (told["champion"], told["before"]) == ("new", "old")
    assert "does not answer" in told["warnings"][0]
    told = as_json("rollback")
    assert (told["champion"], told["before"]) == ("old", "new")
    with pytest.raises(SaranError, match="no champion before old"):
        models("rollback")


def test_a_model_without_a_check_of_its_own_must_be_as_it_was_written(settings: Settings) -> None:
    models_path = settings.home / "data" / "models"
    other = models_path / "other"
    (models_path / NAME).rename(other)
    for manifest in other.glob("*/manifest.json"):
        manifest.write_text(manifest.read_text().replace('"name": "recommender"', '"name": "other"'))
    assert as_json("promote", "new")["model"] == "other"
    file = other / "old" / "popularity.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(SaranError, match="differs from its checksum"):
        models("rollback", "--model", "other")
    assert champions.moves(settings.models_path, "other")[-1].version == "new"
