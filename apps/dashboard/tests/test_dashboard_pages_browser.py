"""The pages in a real browser: what they show is what the API answers, on a wide screen and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from apps.dashboard.tests.analytics_double import some_figures
from apps.dashboard.tests.api_double import World, application, details, serving, two_tastes
from apps.dashboard.tests.in_browser import Dashboard, drawn, foreign
from apps.dashboard.tests.operator_double import BOSS
from playwright.sync_api import Browser, Page, expect

from saran.client import Client
from saran.core.analytics_shapes import FunnelRange, TrendWindow
from saran.core.api_shapes import Card
from saran.core.version_list import Figure
from saran.core.visitor_models import Bin, Segment
from saran.core.visitor_shapes import Behaviour
from saran.dashboard import words

pytestmark = pytest.mark.browser

PHONE = 390


@pytest.fixture(scope="module")
def films() -> World:
    """The two tastes with age classes, as a data set in two languages."""
    world = two_tastes()
    world.by_content = ["b0", "a2", "b1"]
    world.figures = some_figures()
    for row, item in enumerate(world.items):
        item["age_rating"] = ("all", "7+", "13+", "17+")[row % 4]
    world.metrics["about"]["actions"] += ["view", "add_to_cart", "purchase"]
    world.models = [
        details("recommender", "v1", figures={"als/ndcg@10": Figure(value=0.12, low=0.11, high=0.13)}),
        details(
            "transaction_predictor", "p1", threshold=0.5, horizon_days=3,
            calibration=[Bin(visitors=10, predicted=0.5, observed=0.4), Bin(visitors=30, predicted=0.1, observed=0.1)],
        ),
        details(
            "user_segmentation", "s1",
            segments=[Segment(cluster_id=4, name="loyal buyer", visitors=100, centre={"total_views": 80.0})],
        ),
    ]  # fmt: skip
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


def test_will_they_buy(page: Page, served: tuple[str, Client]) -> None:
    address, client = served
    page.goto(f"{address}/will-they-buy")
    expect(page.get_by_role("heading", name="Lift")).to_be_visible()
    drawn(page)
    carts = page.get_by_label("Carts")
    carts.fill("7")
    carts.press("Tab")
    page.get_by_role("button", name="Ask").click()
    asked = Behaviour(visitorid_to_identify="x", num_views=15, num_addtocart=7, distinct_items_interacted=8)
    said = client.predict_transaction(asked).probability
    expect(page.get_by_test_id("stMetricValue")).to_have_text(f"{said:.1%}")
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(2)


def test_segments(page: Page, served: tuple[str, Client]) -> None:
    address, client = served
    (segment,) = client.model("user_segmentation").segments
    page.goto(f"{address}/segments")
    expect(page.get_by_role("heading", name="Profile")).to_be_visible()
    drawn(page)
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_test_id("stMetricValue")).to_have_text(segment.name)


def test_models(page: Page, served: tuple[str, Client]) -> None:
    address, client = served
    champion = client.models()[0].champion
    page.goto(f"{address}/models")
    expect(page.get_by_role("heading", name=champion or "no champion", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Champions")).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(1)


def test_trending(page: Page, served: tuple[str, Client]) -> None:
    address, client = served
    page.goto(f"{address}/trending")
    titles(page, "trending", list(client.trending(limit=24).items))
    expect(page.get_by_role("heading", name="Categories over time")).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(1)
    drawn(page)
    page.get_by_text("6h", exact=True).click()
    titles(page, "trending", list(client.trending(limit=24, window=TrendWindow.SIX_HOURS).items))
    expect(page.get_by_role("button", name="Download as CSV", exact=True)).to_be_visible()
    drawn(page)


def test_funnel(page: Page, served: tuple[str, Client]) -> None:
    address, client = served
    page.goto(f"{address}/funnel")
    values = page.get_by_test_id("stMetricValue")
    expect(page.get_by_role("heading", name="Over time")).to_be_visible()
    expect(values.first).to_have_text(words.share(client.funnel().total.cart_rate))
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(2)
    drawn(page)
    page.get_by_text("Sessions", exact=True).click()
    expect(values.first).to_have_text(words.share(client.funnel(FunnelRange(scope="session")).total.cart_rate))
    # Of the steps alone: users are told of items.
    expect(page.get_by_role("button", name="Download as CSV", exact=True)).to_have_count(1)
    drawn(page)


def test_event_timeline(page: Page, served: tuple[str, Client]) -> None:
    address, client = served
    page.goto(f"{address}/timeline")
    expect(page.get_by_role("heading", name="Event timeline")).to_be_visible()
    views = sum(point.views for point in client.timeline().points)
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(words.count(views))
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(1)
    expect(page.get_by_role("button", name="Download as CSV")).to_be_visible()
    drawn(page)


def test_active_users(page: Page, served: tuple[str, Client]) -> None:
    address, client = served
    page.goto(f"{address}/active-users")
    told = client.user_behavior()
    active = told.active_users
    expect(page.get_by_test_id("stMetricValue")).to_have_text(
        [words.count(n) for n in (active.day, active.week, active.month, told.total_users, told.active_sessions)]
    )
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(2)
    expect(page.get_by_role("button", name="Download as CSV", exact=True)).to_be_visible()
    drawn(page)


def test_pipeline(page: Page, served: tuple[str, Client]) -> None:
    address, client = served
    page.goto(f"{address}/pipeline")
    expect(page.get_by_role("heading", name="Pipeline")).to_be_visible()
    ingested = page.get_by_test_id("stMetric").filter(has_text="Ingested").get_by_test_id("stMetricValue")
    expect(ingested).to_have_text(words.rate(client.metrics().ingest.events_per_second))
    expect(page.get_by_text(f"{client.rejected().rows} records, silver.rejected")).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(2)
    expect(page.get_by_role("button", name="Sample as CSV")).to_be_visible()
    replayed = page.get_by_role("button", name="Replay corrected")
    expect(replayed).to_have_count(0)
    if page.viewport_size and page.viewport_size["width"] == PHONE:
        return
    page.get_by_text("Sign in", exact=True).first.click()
    key = page.get_by_label("Key", exact=True)
    key.fill(BOSS)
    key.press("Enter")
    expect(replayed).to_be_visible()
    page.get_by_label("What it should have said").fill('{"item_id": "i"}')
    page.get_by_label("What it should have said").press("Control+Enter")
    drawn(page)
    replayed.click()
    expect(page.get_by_text("1 replayed, 0 refused again")).to_be_visible()
