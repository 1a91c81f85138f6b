"""Signing in: without it no page has a button that changes anything; with it the API is asked by the person's key."""

from __future__ import annotations

import pytest
from apps.dashboard.tests.api_double import World, details
from apps.dashboard.tests.operator_double import BOSS
from apps.dashboard.tests.page_words import run, text_of
from streamlit.testing.v1 import AppTest

from saran.client import ApiError, Client
from saran.core.replay_shapes import Correction, ReplayRequest

CHANGES = {"replay-all", "replay-one", "end-experiment", "promote", "rollback"}


def _script() -> None:
    from saran.dashboard import access
    from saran.dashboard.views import experiments, models, rejected

    access.draw()
    rejected.rejected()
    experiments.page()
    models.page()


def _changes(page: AppTest) -> set[str]:
    return CHANGES & {button.key or "" for button in page.button}


def _sign_in(page: AppTest, key: str) -> AppTest:
    page.text_input(key="access.key").set_value(key)
    return page.button(key="sign-in").click().run()


def test_without_signing_in_nothing_can_be_changed(api_url: str, world: World) -> None:
    world.models = [details("recommender", "v1")]
    page = run(_script)
    assert _changes(page) == set()
    assert "Sign in to move it from here" in text_of(page)
    assert "Sign in to send refused records again" in text_of(page)
    for key, why in (("wrong", "The API knows no such key"), ("page", "it has no scope `admin`"), ("", "Type a key")):
        assert why in text_of(_sign_in(page, key)).replace("\\", "")
        assert _changes(page) == set()
    asked = ReplayRequest(records=[Correction(content_id="c17", value="{}")])
    with Client(api_url, key="page") as client, pytest.raises(ApiError) as refused:
        client.replay(asked)
    assert refused.value.status == 403


def test_who_is_signed_in_replays_and_ends(api_url: str, world: World) -> None:
    world.models = [details("recommender", "v1")]
    page = _sign_in(run(_script), BOSS)
    assert not page.exception
    assert _changes(page) == CHANGES
    page.button(key="replay-all").click().run()
    assert "0 replayed, 4 refused again" in text_of(page)
    page.text_area(key="replay-c17").set_value('{"user_id": "u1", "item_id": "i"}').run()
    page.button(key="replay-one").click().run()
    assert "1 replayed, 0 refused again" in text_of(page)
    page.button(key="end-experiment").click().run()
    assert not page.exception
    assert not world.experiments[0].running
    assert _changes(page) == CHANGES - {"end-experiment"}
    page.button(key="sign-out").click().run()
    assert _changes(page) == set()


def test_who_is_signed_in_moves_the_champion(api_url: str, world: World) -> None:
    aliases = {"broken": "", "v2": "", "v1": "champion"}
    world.models = [details("recommender", name, alias=alias) for name, alias in aliases.items()]
    page = _sign_in(run(_script), BOSS)
    disabled = {button.label for button in page.button if button.disabled}
    assert {"It is the champion", "Nothing to roll back to"} <= disabled
    version = page.selectbox(key="models.version.recommender")
    version.select("v2").run()
    assert page.button(key="promote").label == "Promote v2"
    page.button(key="promote").click().run()
    assert not page.exception
    assert "**v2 is the champion of recommender** in place of v1" in text_of(page)
    assert "MLflow follows" in text_of(page)
    page.button(key="rollback").click().run()
    assert "**v1 is the champion of recommender** in place of v2" in text_of(page)
    assert world.champions == {"recommender": ["v1"]}
    page.selectbox(key="models.version.recommender").select("broken").run()
    page.button(key="promote").click().run()
    assert "The champion was not moved: this key may not" in text_of(page)
    assert world.champions == {"recommender": ["v1"]}


def test_an_api_without_keys_has_nobody_to_sign_in(api_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from saran.core.system_shapes import WhoAsks

    monkeypatch.setattr(Client, "whoami", lambda _self: WhoAsks(keys=False))
    assert "asks for no key" in text_of(_sign_in(run(_script), "any"))
