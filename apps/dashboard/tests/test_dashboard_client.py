"""The client against a real server, and a click's way to the history."""

from __future__ import annotations

import threading

import httpx
import pytest
from apps.dashboard.tests.api_double import World, serving
from fastapi import FastAPI

from saran.client import ApiAway, ApiError, Client
from saran.core.api_shapes import Card
from saran.core.entities import Action
from saran.core.list_options import ListOptions
from saran.dashboard.feedback import send


def test_answers_are_typed(api_url: str) -> None:
    with Client(api_url) as api:
        metrics = api.metrics()
        assert metrics.tables["silver.events"].rows == 100_836
        assert metrics.lag["saran-ingest"]["events"] == {0: 10, 1: 7}
        assert metrics.model is not None
        assert metrics.model.evaluation is not None
        assert metrics.model.evaluation.metrics["als"]["ndcg@10"].value == 0.12
        assert api.health().kafka == "up"
        assert [card.item_id for card in api.search("rave", limit=5)] == ["b2"]
        listed = api.recommendations("nobody", ListOptions(limit=4))
        assert [card.item_id for card in listed.items] == ["a0", "b0", "a1", "b1"]
        assert (listed.source, listed.items[0].rank) == ("popular", 1)
        shaped = ListOptions(limit=4, category=["Animation"], exclude=["b1", "b0"], seen="allow")
        assert [card.item_id for card in api.recommendations("nobody", shaped).items] == ["b2", "b3", "b4", "b5"]
        assert [(one.name, one.items) for one in api.categories()] == [("Animation", 8), ("Crime", 8)]
        assert [card.item_id for card in api.similar("a3", limit=2).items] == ["a0", "a1"]


def test_an_id_is_one_segment_of_the_path(api_url: str, world: World) -> None:
    user = "../a b?c#d/é"
    with Client(api_url) as api:
        send(api, user, Card(item_id="a0"), Action.CLICK, session_id="s", before=None)
        assert api.history(user, limit=5).user_id == user
    assert world.posted[0]["user_id"] == user


def test_nothing_at_the_address_says_how_to_start_it(no_api: str) -> None:
    with Client(no_api) as api, pytest.raises(ApiAway, match=r"does not answer: start it with `saran up`"):
        api.health()


def test_a_slow_api_is_away_within_the_time_out() -> None:
    app = FastAPI()
    asked_enough = threading.Event()

    @app.get("/health")
    def health() -> dict[str, str]:
        asked_enough.wait()
        return {"status": "ok"}

    with serving(app) as url, Client(url, timeout=httpx.Timeout(0.2), retries=0) as api:
        with pytest.raises(ApiAway, match="in time"):
            api.health()
        asked_enough.set()


def test_a_problem_document_becomes_the_message(api_url: str, world: World) -> None:
    world.recommender = None
    with Client(api_url) as api:
        with pytest.raises(ApiError, match="no model has been trained yet") as caught:
            api.recommendations("1", ListOptions(limit=3))
        assert caught.value.status == 503
        with pytest.raises(ApiError, match="Not Found"):
            api.media("nowhere.png")


def test_an_answer_of_another_shape_names_the_field(api_url: str, world: World) -> None:
    world.health = {"warnings": []}
    with Client(api_url) as api, pytest.raises(ApiError, match=r"/health is not understood \(status: Field required\)"):
        api.health()


def test_a_click_is_in_the_history_and_moves_the_list(api_url: str, world: World) -> None:
    with Client(api_url) as api:
        before = api.recommendations("new", ListOptions(limit=4))
        sent = send(api, "new", before.items[1], Action.CLICK, session_id="s1", before=before)
        after = api.recommendations("new", ListOptions(limit=4))
        history = api.history("new", limit=5)
    assert sent.seconds is not None
    assert sent.seconds < 1.0
    assert [card.item_id for card in after.items] == ["b1", "b2", "b3", "b4"]
    found = sent.moves(after)
    assert found is not None
    # Before, without the clicked b0: a0 a1 b1. So b1 rose by two and the other three are new.
    assert (set(found.new), found.steps) == ({"b2", "b3", "b4"}, {"b1": 2})
    assert sent.in_history(history) == history.events[0]
    (posted,) = world.posted
    assert {key: posted[key] for key in ("user_id", "item_id", "action", "session_id", "source")} == {
        "user_id": "new", "item_id": "b0", "action": "click", "session_id": "s1", "source": "dashboard",
    }  # fmt: skip
    assert len(world.keys[0]) == 32


def test_an_event_that_no_worker_read_is_not_called_known(api_url: str, world: World) -> None:
    world.worker_away = True
    with Client(api_url) as api:
        sent = send(api, "new", Card(item_id="a0"), Action.CLICK, session_id="s", before=None, patience=0.2)
        assert sent.seconds is None
        assert sent.moves(api.recommendations("new", ListOptions(limit=4))) is None


def test_a_refused_event_is_an_error(api_url: str, world: World) -> None:
    world.kafka_away = True
    with Client(api_url) as api, pytest.raises(ApiError, match="Kafka does not answer"):
        send(api, "new", Card(item_id="a0"), Action.CLICK, session_id="s", before=None)
    assert world.histories["new"] == []
