"""/docs without the internet: the page, and all that it refers to, come from the API itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from saran.api.app import create_app
from saran.core.api_shapes import ProblemDetails
from saran.core.list_options import UserListOptions
from saran.core.settings import Settings

KINDS = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}


class References(HTMLParser):
    """Addresses of the scripts, styles and pictures of a page, and the text of its own scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.script = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if name in {"src", "href"} and value is not None]

    def handle_data(self, data: str) -> None:
        self.script += data if self.lasttag == "script" else ""


Get = Callable[[str], httpx.Response]


@pytest.fixture
def get(tmp_path: Path) -> Get:
    """Asks the application without its parts: the page needs none of them."""
    transport = httpx.ASGITransport(create_app(Settings(home=tmp_path)))

    async def ask(path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.get(path)

    return lambda path: asyncio.run(ask(path))


def test_the_page_and_what_it_refers_to_are_the_apis_own(get: Get) -> None:
    page = get("/docs")
    assert page.status_code == 200
    assert "://" not in page.text
    found = References(page.text)
    assert {Path(address).suffix for address in found.addresses} == set(KINDS)
    for address in found.addresses:
        answer = get(address)
        assert answer.status_code == 200, address
        # The answers forbid browsers to guess, so a script of another type would not run.
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].split(";")[0] == KINDS[Path(address).suffix]
        assert len(answer.content) > 1000
    assert "url: '/openapi.json'" in found.script
    assert get("/openapi.json").json()["info"]["title"] == "Saran"
    # Else Swagger UI asks validator.swagger.io for a picture, and tells it the API's address.
    assert '"validatorUrl": null' in found.script


def test_no_policy_of_the_answer_forbids_the_pages_own_script(get: Get) -> None:
    headers = get("/docs").headers
    assert "content-security-policy" not in headers
    assert headers["x-frame-options"] == "DENY"


def test_every_error_is_described_as_the_problem_that_it_is(offline: Callable[..., Any]) -> None:
    _, document = offline("GET", "/openapi.json")
    errors = [
        (path, status, answer["content"])
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if status >= "400"
    ]
    assert {status for _, status, _ in errors} >= {"404", "422", "503"}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    assert [one for one in errors if one[2] != problem] == []
    assert "HTTPValidationError" not in document["components"]["schemas"]
    _, told = offline("GET", "/recommendations/user/u?limit=0")
    assert ProblemDetails.model_validate(told).model_dump(by_alias=True) == told


def test_the_document_tells_how_a_list_can_be_asked_for(offline: Callable[..., Any]) -> None:
    _, document = offline("GET", "/openapi.json")
    told = document["paths"]["/recommendations/user/{user_id}"]["get"]["parameters"]
    assert {one["name"] for one in told} == {"user_id", *UserListOptions.model_fields}
    assert all(one.get("description") for one in told if one["in"] == "query")
    (body,) = document["paths"]["/recommendations/session"]["post"]["requestBody"]["content"].values()
    assert body["schema"] == {"$ref": "#/components/schemas/SessionRequest"}
    accepts = document["components"]["schemas"]["SessionRequest"]["properties"]["items"]["items"]["anyOf"]
    assert {one.get("$ref", one.get("type")) for one in accepts} >= {"#/components/schemas/SessionItem", "string"}
