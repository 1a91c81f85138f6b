"""What surrounds every request: safe headers, an id in answer and log, other origins, errors that nobody expected."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from saran.api.app import create_app
from saran.core.log_lines import JsonLines
from saran.core.settings import Serving, Settings

PAGE = "https://shop.example"


class Edge:
    """An application without its parts, with a route that breaks and one that breaks in the middle of its answer."""

    def __init__(self, home: Path, **serving: Any) -> None:
        self.app = create_app(Settings(home=home, serving=Serving(**serving)))
        self.app.state.saran = None

        @self.app.get("/broken/{user_id}")
        def broken(user_id: str) -> None:
            try:
                raise KeyError(user_id)
            except KeyError as error:
                raise ValueError(f"no figures of {user_id}") from error

    def ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        """One request."""

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                return await client.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})

        return asyncio.run(asked())


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    return Edge(tmp_path)


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What the API logs meanwhile, as a cluster has it."""
    found: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(self.format(record)))

    handler, logger = Keep(), logging.getLogger("saran.api")
    handler.setFormatter(JsonLines())
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_answers_say_what_a_browser_may_do_with_them(edge: Edge) -> None:
    for path, status in {"/live": 200, "/nowhere": 404, "/recommendations/user/u?limit=0": 422}.items():
        answer = edge.ask("GET", path)
        assert answer.status_code == status
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["cache-control"] == "no-store"
        for name, value in {"content-type-options": "nosniff", "frame-options": "DENY"}.items():
            assert answer.headers[f"x-{name}"] == value
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
    assert "cache-control" not in edge.ask("GET", "/docs").headers


def test_a_short_plain_id_of_the_client_is_kept(edge: Edge) -> None:
    for given in (str(uuid.uuid4()), "a" * 64, "shop_1.2-3"):
        assert edge.ask("GET", "/live", x_request_id=given).headers["x-request-id"] == given
    made = [
        edge.ask("GET", "/live", x_request_id=given).headers["x-request-id"] for given in ("a" * 65, "a b", "a(b)", "-")
    ]
    assert len({*made, "a" * 65, "a b", "a(b)", "-"}) == 8, "each of the others gets an id of its own"


def test_an_unexpected_error_is_told_by_its_id_alone(edge: Edge, lines: list[dict[str, Any]]) -> None:
    answer = edge.ask("GET", "/broken/user-7", x_request_id="mine")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "X-Request-Id" in answer.json()["detail"]
    assert not {"user-7", "ValueError", "Traceback", ".py"} & set(answer.text.replace('"', " ").split())
    (line,) = lines
    assert (line["level"], line["request_id"], line["logger"]) == ("error", "mine", "saran.api")
    assert [one["type"] for one in line["error"]] == ["builtins.ValueError", "builtins.KeyError"]
    assert line["error"][0]["raised"][-1].startswith("test_edge.py:")
    assert "user-7" not in json.dumps(line)


def test_a_line_for_each_request_names_the_route_and_not_the_user(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    edge = Edge(tmp_path, log_requests=True)
    edge.ask("GET", "/recommendations/user/user-7?limit=0", x_request_id="first")
    edge.ask("GET", "/nowhere/user-7", x_request_id="second")
    told = [(line["request_id"], line["method"], line["route"], line["status"]) for line in lines]
    assert told == [
        ("first", "GET", "/recommendations/user/{user_id:path}", 422),
        ("second", "GET", "unmatched", 404),
    ]
    assert all(line["milliseconds"] >= 0 for line in lines)
    assert "user-7" not in json.dumps(lines)


def test_pages_of_other_origins_may_ask_only_where_they_are_named(edge: Edge, tmp_path: Path) -> None:
    assert "access-control-allow-origin" not in edge.ask("GET", "/live", origin=PAGE).headers
    keys = tmp_path / "keys"
    keys.write_text(f"shop {'0' * 64} read\n")
    named = Edge(tmp_path, cors_origins=f"{PAGE},http://127.0.0.1:3000")
    asked = {"origin": PAGE, "access_control_request_method": "POST"}
    told = named.ask("OPTIONS", "/stream/events", **asked, access_control_request_headers="authorization")
    assert told.status_code == 200
    assert told.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in told.headers
    answer = named.ask("GET", "/live", origin=PAGE)
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-expose-headers"] == "X-Request-Id, X-Recommendation-Id, Retry-After"
    other = named.ask("GET", "/live", origin="https://other.example")
    assert "access-control-allow-origin" not in other.headers
    assert named.ask("OPTIONS", "/live", **{**asked, "origin": "https://other.example"}).status_code == 400
    for wrong in ("*", "shop.example", "https://shop.example/", "https://a.example, https://b.example"):
        with pytest.raises(ValidationError):
            Serving(cors_origins=wrong)


def test_a_browser_asks_without_a_key_whether_it_may_ask(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"shop {'0' * 64} read\n")
    app = create_app(Settings(home=tmp_path, api_keys=keys, serving=Serving(cors_origins=PAGE)))
    edge = Edge.__new__(Edge)
    edge.app = app
    asked = {"origin": PAGE, "access_control_request_method": "GET"}
    assert edge.ask("OPTIONS", "/recommendations/user/u", **asked).status_code == 200
    refused = edge.ask("GET", "/recommendations/user/u", origin=PAGE)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == PAGE, "the page may read why"
