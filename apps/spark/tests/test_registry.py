"""MLflow follows the folders: what it gets, and that nothing is lost when it is away or a command is cut off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from apps.spark.tests.registry_versions import write_version
from tests.servers import free_offset

from saran.core import champions
from saran.core.errors import SaranError
from saran.core.names import Model
from saran.core.settings import MLflow, Settings
from saran.core.version_list import versions_of
from saran.core.versions import champion, set_champion
from saran.spark import registry
from saran.spark.mlflow_client import mlflow_client
from saran.spark.registry import follow, sync

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

NAME = Model.RECOMMENDER


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose MLflow has its tables: making them takes seconds."""
    return tmp_path_factory.mktemp("registry")


@pytest.fixture
def settings(home: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Buckets of the test's own, and models of its own in MLflow."""
    return Settings(home=home, storage=str(tmp_path), mlflow=MLflow(prefix=f"{request.node.name}-"))


@contextmanager
def asked(settings: Settings) -> Iterator[tuple[MlflowClient, dict[str, Any], dict[str, str]]]:
    """A client, model versions by Saran's, and aliases as Saran's versions."""
    model = settings.mlflow.prefix + NAME
    with mlflow_client(settings) as client:
        versions = {one.tags["saran.version"]: one for one in client.search_model_versions(f"name='{model}'")}
        by_number = {one.version: version for version, one in versions.items()}
        aliases = client.get_registered_model(model).aliases
        yield client, versions, {alias: by_number[number] for alias, number in aliases.items()}


def runs(settings: Settings, client: MlflowClient) -> list[Any]:
    experiment = client.get_experiment_by_name(settings.mlflow.prefix + NAME)
    return list(client.search_runs([experiment.experiment_id]))


def test_a_version_becomes_a_run_and_a_model_version(settings: Settings) -> None:
    folder = write_version(settings.models_path, "v1")
    champions.promote(settings.models_path, NAME, "v1", why="first")
    said = sync(settings, [NAME])
    assert [line.split(" in MLflow")[0] for line in said] == [
        "registered recommender v1",
        "MLflow's champion of recommender is v1",
    ]
    assert sync(settings, [NAME]) == [], "all is registered"
    assert sync(settings, [NAME], thorough=True) == [], "and MLflow says so itself"
    with asked(settings) as (client, versions, aliases):
        assert aliases == {"champion": "v1"}
        assert versions["v1"].tags["saran.folder"] == str(folder)
        run = client.get_run(versions["v1"].run_id)
        assert (run.info.status, run.info.run_name) == ("FINISHED", "v1")
        assert (
            run.data.params.items()
            >= {
                "rank": "2",
                "regularization": "0.1",
                "seed": "5",
                "tables.silver.events": "4",
                "tables.silver.items": "1",
                "history_length": "10",
                "newest_event": "2026-01-01T00:00:00+00:00",
            }.items()
        )
        assert {name: run.data.metrics[name] for name in run.data.metrics if name.startswith("als/")} == {
            "als/ndcg_at_10": 0.3,
            "als/ndcg_at_10.low": 0.2,
            "als/ndcg_at_10.high": 0.4,
            "als/recall_at_20": 0.5,
            "als/recall_at_20.low": 0.45,
            "als/recall_at_20.high": 0.55,
        }
        assert run.data.metrics["interactions"] == 4
        assert not [tag for tag in run.data.tags if "git" in tag]
        files = {file.path for file in client.list_artifacts(versions["v1"].run_id)}
        assert files == {"manifest.json", "card.md", "card-figures.png", "card-data.png"}
        local = Path(client.download_artifacts(versions["v1"].run_id, "manifest.json"))
        assert json.loads(local.read_text()) == json.loads((folder / "manifest.json").read_text())


def test_aliases_follow_what_is_served(settings: Settings) -> None:
    models = settings.models_path
    for day, version in enumerate(("v1", "v2", "v3")):
        write_version(models, version, day=day)
    champions.promote(models, NAME, "v1", why="first")
    sync(settings, [NAME])
    with asked(settings) as (_, versions, aliases):
        assert sorted(versions) == ["v1", "v2", "v3"]
        assert aliases == {"champion": "v1", "challenger": "v3"}
    champions.promote(models, NAME, "v3", why="test")
    sync(settings, [NAME])
    with asked(settings) as (_, _, aliases):
        assert aliases == {"champion": "v3"}
    champions.roll_back(models, NAME, why="a test")
    sync(settings, [NAME])
    with asked(settings) as (client, versions, aliases):
        assert aliases == {"champion": "v1", "challenger": "v3"}
        client.set_registered_model_alias(settings.mlflow.prefix + NAME, "champion", versions["v2"].version)
    assert sync(settings, [NAME], thorough=True) == ["MLflow's champion of recommender is v1, it was v2"]
    assert champion(models, NAME) == "v1"


def test_what_could_not_be_registered_is_by_the_next_command(settings: Settings) -> None:
    write_version(settings.models_path, "v1")
    champions.promote(settings.models_path, NAME, "v1", why="first")
    away = settings.model_copy(update={"mlflow": MLflow(url=f"http://127.0.0.1:{8000 + free_offset()}")})
    said, warning = follow(away, [NAME])
    assert said == []
    assert warning is not None
    assert "does not answer" in warning
    assert "changes nothing of what is served" in warning
    assert "saran models sync" in warning
    assert (settings.models_path / NAME / "v1" / "card.md").exists(), "the card needs no MLflow"
    with pytest.raises(SaranError, match="does not answer"):
        sync(away, [NAME], thorough=True)
    said, warning = follow(settings, [NAME])
    assert warning is None
    assert len(said) == 2


@pytest.mark.parametrize("where", ["create_model_version", "set_terminated", "set_registered_model_alias"])
def test_a_registration_that_was_cut_off_is_completed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    from mlflow.tracking import MlflowClient

    write_version(settings.models_path, "v1")
    champions.promote(settings.models_path, NAME, "v1", why="first")

    def cut_off(*_: object, **__: object) -> None:
        raise OSError("cut off")

    with monkeypatch.context() as broken:
        broken.setattr(MlflowClient, where, cut_off)
        _, warning = follow(settings, [NAME])
        assert warning is not None
        assert "cut off" in warning
    assert follow(settings, [NAME])[1] is None
    with asked(settings) as (client, versions, aliases):
        assert list(versions) == ["v1"]
        assert aliases == {"champion": "v1"}
        assert [run.info.run_name for run in runs(settings, client)] == ["v1"]
        assert client.get_run(versions["v1"].run_id).info.status == "FINISHED"


def test_a_lost_record_registers_nothing_twice(settings: Settings) -> None:
    write_version(settings.models_path, "v1")
    champions.promote(settings.models_path, NAME, "v1", why="first")
    sync(settings, [NAME])
    (settings.models_path / NAME / registry.RECORD).unlink()
    assert sync(settings, [NAME]) == []
    with asked(settings) as (client, versions, _):
        assert list(versions) == ["v1"]
        assert len(runs(settings, client)) == 1


def test_a_champion_that_was_moved_without_a_record_is_told(settings: Settings) -> None:
    for day, version in enumerate(("v1", "v2")):
        write_version(settings.models_path, version, day=day)
    champions.promote(settings.models_path, NAME, "v1", why="first")
    sync(settings, [NAME])
    set_champion(settings.models_path, NAME, "v2")
    said = sync(settings, [NAME])
    assert "no record" in said[0]
    assert said[1] == "MLflow's champion of recommender is v2, it was v1"
    assert champions.previous(settings.models_path, NAME) == "v1"


def test_a_version_that_cannot_be_read_is_named_and_stops_nothing(settings: Settings) -> None:
    write_version(settings.models_path, "v1")
    broken = settings.models_path / NAME / "v2"
    broken.mkdir()
    (broken / "manifest.json").write_text('{"name": "recommender"')
    sync(settings, [NAME])
    versions = versions_of(settings.models_path, NAME)
    assert [facts.version for facts in versions.facts] == ["v1"]
    assert list(versions.unreadable) == ["v2"]


def test_without_a_url_a_cluster_has_no_registry(settings: Settings) -> None:
    write_version(settings.models_path, "v1")
    assert follow(settings.model_copy(update={"mode": "cluster"}), [NAME]) == ([], None)
    assert not (settings.models_path / NAME / registry.RECORD).exists()
