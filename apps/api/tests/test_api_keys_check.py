"""An API with keys: who gets what, and keys that change while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saran.api.keys import KeyFile
from saran.core.api_keys import key_line
from saran.core.errors import SaranError

_KEYS = {"shop": "read,events", "page": "read", "till": "events", "owner": "admin"}
_EVENT = [{"user_id": "u", "item_id": "i1", "action": "view"}]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file of keys; each holder's key is the name."""
    file = tmp_path / "keys"
    file.write_text("".join(key_line(name, name, scopes) + "\n" for name, scopes in _KEYS.items()))
    return file


@pytest.fixture
def closed(api: Any, shop: Any, keys: Path) -> Any:
    """An API that serves a model and asks for keys."""
    shop.publish("1")
    api.start(SARAN_API_KEYS=str(keys))
    return api


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_who_gets_what(closed: Any) -> None:
    http = closed.http
    paths = {"a list": "/recommendations/user/u", "figures": "/system/metrics", "metrics": "/metrics"}
    for path in paths.values():
        for headers in ({}, _bearer("wrong"), _bearer("Bearer"), {"Authorization": "Basic c2hvcA=="}):
            answer = http.get(path, headers=headers)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["x-request-id"]
        assert http.get(path, headers=_bearer("till")).status_code == 403, path
        for name in ("page", "shop", "owner"):
            assert http.get(path, headers=_bearer(name)).status_code == 200, path
    for name, status in {"page": 403, "shop": 202, "till": 202, "owner": 202, "nobody": 401}.items():
        assert http.post("/stream/events", json=_EVENT, headers=_bearer(name)).status_code == status, name
    for name, status in {"page": 200, "shop": 200, "till": 403, "owner": 200, "nobody": 401}.items():
        asked = http.post("/recommendations/session", json={"items": ["i1"]}, headers=_bearer(name))
        assert asked.status_code == status, name
    told = http.get("/whoami", headers=_bearer("owner")).json()
    assert told == {"keys": True, "name": "owner", "scopes": ["admin"]}
    assert http.get("/whoami", headers=_bearer("nobody")).status_code == 401
    detail = http.post("/stream/events", json=_EVENT, headers=_bearer("page")).json()["detail"]
    assert detail == "the key of page does not have the scope `events`"


def test_a_key_that_asks_too_often_is_told_when_to_come_back(api: Any, keys: Path) -> None:
    api.start(SARAN_API_KEYS=str(keys), SARAN_SERVING__REQUESTS_PER_SECOND="0.01")
    assert api.http.get("/users/u/events", headers=_bearer("page")).status_code == 200
    refused = api.http.get("/users/u/events", headers=_bearer("page"))
    assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
    assert 90 <= int(refused.headers["retry-after"]) <= 100
    assert api.http.get("/users/u/events", headers=_bearer("owner")).status_code == 200
    assert api.http.get("/live").status_code == 200


def test_who_may_change_items_and_users(closed: Any) -> None:
    ways = (("PUT", "/items/i"), ("DELETE", "/items/i"), ("PUT", "/users/u"), ("DELETE", "/users/u/events"))
    for method, path in ways:
        for name, status in {"page": 403, "shop": 403, "till": 403, "nobody": 401, "owner": 202}.items():
            answer = closed.http.request(method, path, json={}, headers=_bearer(name))
            assert answer.status_code == status, (method, path, name)


def test_probes_documentation_and_images_need_no_key(closed: Any) -> None:
    for path in ("/live", "/ready", "/health", "/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css"):
        assert closed.http.get(path).status_code == 200, path
    assert closed.http.get("/media/none.jpg").status_code == 404
    document = closed.http.get("/openapi.json").json()
    for path in ("/recommendations/user/{user_id}", "/system/metrics"):
        assert document["paths"][path]["get"]["security"] == [{"HTTPBearer": []}]


def test_a_key_is_rotated_while_the_api_runs(closed: Any, keys: Path, until: Callable[..., None]) -> None:
    def status(key: str) -> int:
        return int(closed.http.get("/system/metrics", headers=_bearer(key)).status_code)

    def told(words: str) -> bool:
        assert status("page-2") == 200, "a broken file leaves the keys of before"
        return words in closed.process.log.read_text()

    assert [status("page"), status("page-2")] == [200, 401]
    keys.write_text(key_line("page", "page-2", "read") + "\n")
    until(lambda: status("page-2") == 200, 10)
    assert status("page") == 401

    keys.write_text("not a line\n")
    until(lambda: told(f"{keys}, line 1: not `name sha256 scope"), 10)
    keys.unlink()
    until(lambda: told(f"no API keys in {keys}"), 10)


def test_there_is_no_api_without_its_keys(tmp_path: Path) -> None:
    with pytest.raises(SaranError, match="no API keys in"):
        KeyFile(tmp_path / "none")
    (tmp_path / "empty").write_text("# nobody\n")
    with pytest.raises(SaranError, match="holds no key"):
        KeyFile(tmp_path / "empty")
