"""Versions of models as the API tells them: aliases, figures, what only some kinds have, and what cannot be read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from apps.api.tests.conftest import Shop
from apps.api.tests.visitor_versions import publish_predictor, publish_segmentation

from saran.api.app import create_app
from saran.api.routes import champions
from saran.core.champions import promote
from saran.core.job_lock import CHAMPION, only_one
from saran.core.model_shapes import AllModels, ModelVersions, VersionDetails
from saran.core.names import Model
from saran.core.settings import Settings

ORDERS = "/system/models/recommender"


class Asked:
    """The API over a folder of models, without the parts that these routes do not need. A body is posted."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self._app = create_app(self.settings)
        self._app.state.saran = SimpleNamespace(settings=self.settings)

    def __call__(self, path: str, status: int = 200, body: Any = None) -> Any:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                return await (client.get(path) if body is None else client.post(path, json=body))

        answer = asyncio.run(ask())
        assert answer.status_code == status, answer.text
        return answer.json()

    def models(self, query: str = "") -> dict[str, ModelVersions]:
        return {one.name: one for one in AllModels.model_validate(self(f"/models{query}")).models}

    def details(self, name: str, version: str) -> VersionDetails:
        return VersionDetails.model_validate(self(f"/models/{name}/{version}"))


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def test_before_the_first_training_there_is_none(asked: Asked) -> None:
    assert asked.models() == {}
    assert "there is no version champion of recommender" in asked("/models/recommender/champion", 404)["detail"]


def test_versions_come_newest_first_with_their_aliases(asked: Asked) -> None:
    shop = Shop(asked.settings.models_path)
    for version in ("v1", "v2", "v3"):
        shop.write(version)
    promote(asked.settings.models_path, Model.RECOMMENDER, "v2", why="a test")
    told = asked.models()[Model.RECOMMENDER]
    # All are of one time: then the name decides.
    assert [(one.version, one.alias) for one in told.versions] == [("v3", "challenger"), ("v2", "champion"), ("v1", "")]
    assert (told.champion, told.previous, told.more) == ("v2", None, 0)
    assert [(move.version, move.kind, move.why) for move in told.moves] == [("v2", "promotion", "a test")]
    fewer = asked.models("?limit=1")[Model.RECOMMENDER]
    assert ([one.version for one in fewer.versions], fewer.more) == (["v3"], 2)
    assert asked.details(Model.RECOMMENDER, "champion").version == "v2"
    assert asked.details(Model.RECOMMENDER, "v1").alias == ""
    assert "can be" in asked("/models/recommender/v", 404)["detail"]


def test_a_predictor_tells_its_threshold_and_how_it_was_measured(asked: Asked) -> None:
    publish_predictor(asked.settings.models_path, "p1")
    told = asked.details(Model.TRANSACTION_PREDICTOR, "champion")
    assert (told.threshold, told.horizon_days, told.segments) == (0.5, 3, [])
    figure = told.figures["forest/pr-auc"]
    assert (figure.value, figure.low, figure.high) == (0.5, 0.4, 0.6)
    assert told.confusion is not None
    assert told.confusion.not_bought_missed == 2
    assert (told.split, told.test_users, told.card) == ("none", 4, None)


def test_a_segmentation_tells_its_segments_and_its_card_without_pictures(asked: Asked) -> None:
    folder = publish_segmentation(asked.settings.models_path, "s1")
    (folder / "card.md").write_text("# Segments\n\n![sizes](card-sizes.png)\n\n## Known limits\n")
    told = asked.details(Model.USER_SEGMENTATION, "s1")
    assert [(one.cluster_id, one.name, one.visitors) for one in told.segments] == [
        (2, "window shopper", 2), (4, "loyal buyer", 2),
    ]  # fmt: skip
    assert told.card == "# Segments\n\n## Known limits\n"


def test_a_manifest_that_cannot_be_read_is_named_beside_the_others(asked: Asked) -> None:
    Shop(asked.settings.models_path).publish("v1")
    folder = asked.settings.models_path / Model.RECOMMENDER / "v2"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    told = asked.models()[Model.RECOMMENDER]
    assert [one.version for one in told.versions] == ["v1"]
    assert list(told.unreadable) == ["v2"]
    assert "cannot be read" in asked("/models/recommender/v2", 404)["detail"]


def test_other_names_and_paths_are_none(asked: Asked) -> None:
    asked("/models/nothing/champion", 422)
    asked("/models/recommender/..%2f..%2fsecrets", 404)
    asked("/models/recommender/" + "v" * 101, 422)
    asked("/models?limit=0", 422)


def test_the_champion_moves_by_order_and_its_record_says_who(asked: Asked) -> None:
    shop = Shop(asked.settings.models_path)
    for version in ("v1", "v2"):
        shop.write(version)
    promote(asked.settings.models_path, Model.RECOMMENDER, "v1", why="a test")
    moved = asked(f"{ORDERS}/promote", body={"version": "challenger"})
    assert (moved["model"], moved["champion"], moved["before"]) == ("recommender", "v2", "v1")
    assert "MLflow's alias follows" in moved["note"]
    told = asked.models()[Model.RECOMMENDER]
    assert (told.champion, told.previous, told.moves[-1].why) == ("v2", "v1", "asked of the API")
    again = asked(f"{ORDERS}/promote", body={"version": "v2"})
    assert (again["champion"], again["before"]) == ("v2", "v2")
    back = asked(f"{ORDERS}/rollback", body={})
    assert (back["champion"], back["before"]) == ("v1", "v2")
    assert [move.kind for move in asked.models()[Model.RECOMMENDER].moves] == ["promotion", "promotion", "rollback"]


def test_an_order_that_cannot_be_done_says_why_and_moves_nothing(asked: Asked) -> None:
    shop = Shop(asked.settings.models_path)
    assert "no champion before None" in asked(f"{ORDERS}/rollback", 409, {})["detail"]
    for version in ("v1", "v2"):
        shop.write(version)
    promote(asked.settings.models_path, Model.RECOMMENDER, "v1", why="a test")
    assert "no champion before v1" in asked(f"{ORDERS}/rollback", 409, {})["detail"]
    assert "there is no version v3" in asked(f"{ORDERS}/promote", 404, {"version": "v3"})["detail"]
    assert "can be" in asked(f"{ORDERS}/promote", 404, {"version": "v"})["detail"]
    asked(f"{ORDERS}/promote", 422, {"version": ""})
    asked("/system/models/nothing/promote", 422, {"version": "v2"})
    # As where the API's user of the store may only read.
    (asked.settings.models_path / Model.RECOMMENDER / ".champion.partial").mkdir()
    refused = asked(f"{ORDERS}/promote", 503, {"version": "v2"})["detail"]
    assert "must be allowed to write `champion`" in refused
    assert asked.models()[Model.RECOMMENDER].champion == "v1"


def test_a_champion_that_another_moves_is_waited_for_and_then_not_moved(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shop(asked.settings.models_path).publish("v1")
    monkeypatch.setattr(champions, "_PATIENCE", 0.1)
    with only_one(asked.settings, CHAMPION):
        assert "another command moves the champion" in asked(f"{ORDERS}/promote", 409, {"version": "v1"})["detail"]
