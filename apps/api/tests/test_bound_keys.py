"""A key bound to users: each route of the OpenAPI document is asked of another user, so that none is forgotten."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from saran.core.api_keys import key_line

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

OWN, OTHER = "7", "8"
OPEN = {"/live", "/ready", "/health", "/media/{path}"}

OF_NOBODY = {
    "GET /categories",
    "GET /items/{item_id}",
    "GET /recommendations/by-age/{age}",
    "GET /recommendations/similar/{item_id}",
    "GET /recommendations/trending",
    "GET /search",
    "POST /recommendations/session",
}
"""What a bound key may ask that names no user. Whoever adds a route decides here whether it tells of users."""

VALUES = {"age": "13", "item_id": "i1", "path": "none.jpg", "q": "Thing"}
BODIES: dict[str, Any] = {
    "POST /stream/events": [{"user_id": "{user}", "action": "view", "item_id": "i1"}],
    "POST /rank": {"user_id": "{user}", "candidates": ["i1"]},
    "POST /recommendations/batch": {"user_ids": ["{user}"]},
    "POST /predict-transaction": {
        "visitorid_to_identify": "{user}",
        "num_views": 1,
        "num_addtocart": 0,
        "distinct_items_interacted": 1,
    },
    "POST /segment-user": {
        "visitorid_to_identify": "{user}",
        **dict.fromkeys(("total_events", "total_views", "total_addtocart", "total_transactions"), 1),
        **dict.fromkeys(("view_ratio", "addtocart_ratio", "transaction_ratio"), 1),
    },
    "POST /recommendations/session": {"items": ["i1"]},
}


def _for(user: str, given: Any) -> Any:
    if isinstance(given, dict):
        return {name: _for(user, value) for name, value in given.items()}
    if isinstance(given, list):
        return [_for(user, value) for value in given]
    return user if given == "{user}" else given


@pytest.fixture
def bound(api: Any, shop: Any, tmp_path: Path) -> Any:
    """An API that serves a model, and a key of all scopes that is bound to user 7 and users of mine."""
    shop.publish("1")
    keys = tmp_path / "keys"
    keys.write_text(key_line("bound", "k", "read,events,admin", [OWN, "mine-*"]) + "\n" + key_line("all", "a", "admin"))
    api.start(SARAN_API_KEYS=str(keys))
    api.http.headers["authorization"] = "Bearer k"
    return api


def _status(api: Any, method: str, path: str, user: str, query: dict[str, str], body: Any) -> tuple[int, str]:
    filled = re.sub(r"{(\w+)}", lambda found: VALUES.get(found[1], user), path)
    # A stream is not read to its end: it has none.
    with api.http.stream(method, filled, params=query, json=_for(user, body)) as answer:
        told = "" if answer.status_code == 200 else answer.read().decode()
        return answer.status_code, told


def test_no_route_tells_of_another_user(bound: Any) -> None:
    document = bound.http.get("/openapi.json").json()
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path not in OPEN
    }
    assert set(BODIES) <= set(operations)
    of_nobody, of_own = set(), set()
    for name, operation in operations.items():
        method, path = name.split(" ")
        query = {
            one["name"]: VALUES.get(one["name"], OTHER)
            for one in operation.get("parameters", [])
            if one["in"] == "query" and (one["required"] or "user" in one["name"] or "visitor" in one["name"])
        }
        status, told = _status(bound, method, path, OTHER, query, BODIES.get(name))
        if status == 403:
            assert "the key of bound is" in told, name
        else:
            of_nobody.add(name)
        mine = {key: OWN if value == OTHER else value for key, value in query.items()}
        if status == 403 and _status(bound, method, path, OWN, mine, BODIES.get(name))[0] != 403:
            of_own.add(name)
    assert of_nobody - OF_NOBODY == set()
    assert of_own >= {
        "GET /recommendations/user/{user_id}",
        "GET /recommendations/{visitorid}",
        "GET /users/{user_id}",
        "PUT /users/{user_id}",
        "DELETE /users/{user_id}",
        "GET /users/{user_id}/events",
        "DELETE /users/{user_id}/events",
        "GET /users/{user_id}/erasure",
        *(name for name, body in BODIES.items() if "{user}" in str(body)),
    }
    assert {name for name in operations if re.search(r"{(user|visitor)", name)} <= of_own


def test_every_way_to_name_a_user_is_looked_at(bound: Any) -> None:
    http = bound.http
    event = {"action": "view", "item_id": "i1"}
    lines = f'{{"user_id":"{OWN}","action":"view","item_id":"i1"}}\n{{"user_id":"{OTHER}"}}'
    for path, body, status in (
        ("/stream/events", [{**event, "user_id": 7}], 202),
        ("/stream/events", [{**event, "user_id": "mine-1"}, {**event, "user_id": OTHER}], 403),
        ("/stream/events", [{**event, "user_id": "mine-1"}, {"user_id": None}], 207),
        ("/recommendations/batch", {"user_ids": ["7", "mine-1"]}, 200),
        ("/recommendations/batch", {"user_ids": ["7", 8]}, 403),
        ("/rank", {"items": ["i1"], "candidates": ["i1"]}, 200),
        ("/rank", {"user_id": None, "items": ["i1"], "candidates": ["i1"]}, 200),
        ("/items", [{"item_id": "i1"}], 403),
    ):
        assert http.post(path, json=body).status_code == status, (path, body)
    headers = {"content-type": "application/x-ndjson"}
    assert http.post("/stream/events", content=lines, headers=headers).status_code == 403
    ways = {"user/mine-9": 200, "user/%37": 200, "user/7x": 403, "user/8%2F..%2F7": 403, "007": 200, "8": 403}
    for path, status in ways.items():
        assert http.get(f"/recommendations/{path}").status_code == status, path
    assert http.get("/metrics").status_code == 403
    http.headers["authorization"] = "Bearer a"
    assert http.get(f"/recommendations/user/{OTHER}").status_code == 200
