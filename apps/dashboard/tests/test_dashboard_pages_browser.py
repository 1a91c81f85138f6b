"""The pages in a real browser: what they show is what the API answers, on a wide screen and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from apps.dashboard.tests.api_double import World, application, serving, two_tastes
from apps.dashboard.tests.in_browser import Dashboard, drawn, foreign
from playwright.sync_api import Browser, Page, expect

from saran.client import Client
from saran.core.api_shapes import Card
from saran.dashboard import words

pytestmark = pytest.mark.browser

PHONE = 390


@pytest.fixture(scope="module")
def films() -> World:
    """The two tastes with age classes, as a data set in two languages."""
    world = two_tastes()
    world.by_content = ["b0", "a2", "b1"]
    for row, item in enumerate(world.items):
        item["age_rating"] = ("all", "7+", "13+", "17+")[row % 4]
    world.metrics["about"]["languages"] = ["id", "en"]
    world.metrics["about"]["capabilities"]["ages"] = "derived"
    return world


@pytest.fixture(scope="module")
def served(films: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Client]]:
    """The address of a dashboard over the films, and a client of its API."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    folder = tmp_path_factory.mktemp("dashboard")
    with serving(application(films)) as url, Dashboard(url, port, folder) as address, Client(url) as client:
        yield address, client


@pytest.fixture(params=[1280, PHONE])
def page(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of a width that asks nobody else for anything, and fits; its last state is kept as a picture."""
    elsewhere: list[str] = []
    width: int = request.param
    scheme: Literal["light", "dark"] = "light" if width > PHONE else "dark"
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        page = context.new_page()
        page.on("request", lambda request: elsewhere.append(request.url) if foreign(request.url) else None)
        yield page
        page.screenshot(path=tmp_path / f"{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not elsewhere


def titles(page: Page, where: str, shown: list[Card]) -> None:
    """The cards of a grid are those of the API, in their order."""
    expect(page.locator(f".st-key-cards-{where} .saran-title")).to_have_text([words.name(card) for card in shown])


def test_more_like_this(page: Page, served: tuple[str, Client]) -> None:
    address, client = served
    page.goto(f"{address}/more-like-this")
    expect(page.get_by_role("heading", name="Movie Like This")).to_be_visible()
    expect(page.locator(".st-key-cards-popular .saran-title").nth(11)).to_be_visible()
    drawn(page)
    search = page.get_by_role("textbox", name="Cari judul")
    search.fill("ronin")
    search.press("Enter")
    titles(page, "found", client.search("ronin"))
    drawn(page)
    page.locator(".st-key-card-found-a1").get_by_role("button", name="Yang mirip").click()
    titles(page, "content", list(client.similar("a1", limit=9, by="content").items))
    titles(page, "behaviour", list(client.similar("a1", limit=9, by="behaviour").items))
    expect(page.locator(".st-key-cards-found")).to_have_count(0)
    drawn(page)
    page.get_by_text("English", exact=True).click()
    expect(page.get_by_role("heading", name="More like this")).to_be_visible()
    expect(page.get_by_role("heading", name="By behaviour")).to_be_visible()
    assert "item=a1" in page.url


def test_by_age(page: Page, served: tuple[str, Client]) -> None:
    address, client = served
    page.goto(f"{address}/by-age?age=12&lang=en")
    expect(page.get_by_role("heading", name="By age")).to_be_visible()
    titles(page, "ages", list(client.by_age(12, limit=24).items))
    drawn(page)
    page.get_by_text("Only the highest class for this age").click()
    titles(page, "ages", list(client.by_age(12, limit=24, own_class=True).items))
    expect(page.locator(".saran-mark")).to_have_text(["7+"] * 4)
    expect(page.get_by_role("button", name="Download as CSV")).to_be_visible()
