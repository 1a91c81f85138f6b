"""Every route of the API has a method here that asks it, and what may be asked twice is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from saran.api.app import create_app
from saran.client import ApiAway, ApiError, Client
from saran.core.analytics_shapes import FunnelUsersRange
from saran.core.api_shapes import StreamEvent
from saran.core.entities import Action, Item, ItemFacts, UserFacts
from saran.core.experiment_shapes import ExperimentDefinition, Variant
from saran.core.list_options import RankRequest, SessionItem, SessionRequest, UsersRequest
from saran.core.replay_shapes import ReplayRequest
from saran.core.settings import Settings
from saran.core.visitor_shapes import Behaviour, Totals

OTHER_NAMES: Final = {("GET", "/users/{user_id}/events"): ("GET", "/users/{user_id}/history")}
"""Routes that are another route by a second path: the answer is one."""

GIVEN: Final[dict[str, Any]] = {
    "name": "recommender", "version": "challenger",
    "user_id": "a/b", "item_id": "a/b", "visitorid": 7, "age": 13, "query": "heat", "path": "posters/tt1.jpg",
    "facts": {"put_item": ItemFacts(title="Heat"), "put_user": UserFacts(birth_year=1990)},
    "kind": "items", "lines": ["{}"],
    "items": [Item(item_id="1")],
    "definition": ExperimentDefinition(variants=[Variant(name="a"), Variant(name="b")]),
    "events": [StreamEvent(user_id="u", item_id="1", action=Action.VIEW)],
    "behaviour": Behaviour(visitorid_to_identify="v", num_views=1, num_addtocart=0, distinct_items_interacted=1),
    "totals": Totals(
        visitorid_to_identify="v", total_events=1, total_views=1, total_addtocart=0, total_transactions=0,
        view_ratio=1, addtocart_ratio=0, transaction_ratio=0,
    ),
    "asked": {
        "session": SessionRequest(items=[SessionItem(item_id="318")]),
        "batch": UsersRequest(user_ids=["1"]),
        "replay": ReplayRequest(topic="events"),
        "funnel_users": FunnelUsersRange(step="cart"),
        "rank": RankRequest(candidates=["1"], user_id="1"),
    },
}  # fmt: skip
"""What each required parameter of a method is called with, by name; by method where the name is not enough."""

Answers = Callable[[httpx.Request], httpx.Response]


def client_of(answers: Answers, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Client, list[float]]:
    """A client whose requests `answers` takes instead of a network, and the seconds that it waited."""
    made = httpx.Client.__init__

    def init(self: httpx.Client, **given: Any) -> None:
        made(self, **given, transport=httpx.MockTransport(answers))

    monkeypatch.setattr(httpx.Client, "__init__", init)
    waited: list[float] = []
    return Client("http://api", pause=waited.append, **options), waited


def test_every_route_has_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = create_app(Settings(home=tmp_path)).openapi()
    routes = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
    asked: list[tuple[str, str]] = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.raw_path.decode().partition("?")[0]))
        return httpx.Response(418)

    client, _ = client_of(answers, monkeypatch)
    for name, method in inspect.getmembers(client, inspect.ismethod):
        if name.startswith("_") or name == "close":
            continue
        needed = [one for one in inspect.signature(method).parameters.values() if one.default is one.empty]
        before = len(asked)
        with pytest.raises(ApiError, match="418"):
            method(*(_given(one.name, name) for one in needed))
        assert len(asked) == before + 1, f"Client.{name} asks {len(asked) - before} times"
    reached = {_route(verb, path, routes) for verb, path in asked}
    missing = sorted(routes - reached - set(OTHER_NAMES))
    assert not missing, f"saran.client has no method for {missing}: add one to {Client.__module__}"
    assert set(OTHER_NAMES.values()) <= reached
    assert set(OTHER_NAMES) <= routes


def _given(parameter: str, method: str) -> Any:
    value = GIVEN[parameter]
    return value[method] if isinstance(value, dict) else value


def _route(verb: str, path: str, routes: set[tuple[str, str]]) -> tuple[str, str]:
    """The route that a path is of: the one with most fixed text; an id's slash is encoded, a file's is none of them."""
    fitting = [
        (method, template)
        for method, template in routes
        if method == verb and re.fullmatch(re.sub(r"\\{\w+\\}", _hole(template), re.escape(template)), path)
    ]
    assert fitting, f"{verb} {path} is no route of the API"
    return max(fitting, key=lambda one: len(re.sub(r"\{\w+\}", "", one[1])))


def _hole(template: str) -> str:
    return ".+" if template.startswith("/media/") else "[^/]+"


def test_a_question_is_asked_again_while_the_api_is_overloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = [503, 429, 200]

    def answers(_request: httpx.Request) -> httpx.Response:
        status = statuses.pop(0)
        body = {"categories": [{"name": "Drama", "items": 3}]} if status == 200 else {}
        return httpx.Response(status, json=body, headers={"Retry-After": "60"} if status == 429 else {})

    client, waited = client_of(answers, monkeypatch)
    assert [one.items for one in client.categories()] == [3]
    assert waited == [0.2, 5.0]


@pytest.mark.parametrize(
    ("ask", "tries"), [(lambda client: client.erase_user("1"), 1), (lambda client: client.health(), 3)]
)
def test_an_order_to_erase_is_sent_once(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[Client], Any], tries: int
) -> None:
    seen: list[str] = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        raise httpx.ConnectError("nothing there")

    client, waited = client_of(answers, monkeypatch)
    with pytest.raises(ApiAway, match="does not answer: start it"):
        ask(client)
    assert (len(seen), len(waited)) == (tries, tries - 1)


def test_events_that_are_sent_again_keep_their_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []

    def answers(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadTimeout("no answer")
        return httpx.Response(202, json={"accepted": 1, "event_ids": ["e"]})

    client, _ = client_of(answers, monkeypatch)
    assert client.send(GIVEN["events"]).accepted == 1
    assert keys[0] == keys[1]
    assert client.send(GIVEN["events"]).accepted == 1
    assert keys[2] != keys[0]


def test_the_key_is_sent_and_its_refusal_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer s3cret"
        problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "no scope `admin`"}
        return httpx.Response(403, json=problem)

    client, waited = client_of(answers, monkeypatch, key="s3cret")
    with pytest.raises(ApiError, match="no scope `admin`: give a key that has the scope") as caught:
        client.delete_item("1")
    assert (caught.value.status, waited) == (403, [])


def test_a_wrong_request_names_its_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = {"in": "query", "index": None, "field": "limit", "reason": "is 0"}

    def answers(_request: httpx.Request) -> httpx.Response:
        problem = {"type": "about:blank", "title": "Wrong", "status": 422, "detail": "limit: is 0", "errors": [fault]}
        return httpx.Response(422, json=problem)

    client, _ = client_of(answers, monkeypatch)
    with pytest.raises(ApiError) as caught:
        client.search("heat", limit=0)
    assert [(one.where, one.field, one.reason) for one in caught.value.faults] == [("query", "limit", "is 0")]


def test_what_is_no_json_is_not_sarans(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = client_of(lambda _request: httpx.Response(200, html="<p>hello"), monkeypatch)
    with pytest.raises(ApiError, match=r"http://api/health answers something other than JSON: check the address"):
        client.health()
