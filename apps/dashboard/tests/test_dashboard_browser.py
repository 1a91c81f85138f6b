"""The dashboard in a real browser: a click on a card changes the list, and nothing is fetched from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from apps.dashboard.tests.api_double import World, application, serving
from apps.dashboard.tests.in_browser import Dashboard, drawn, foreign
from playwright.sync_api import Browser, Page, expect
from tests.platform import Platform

pytestmark = pytest.mark.browser


@pytest.fixture(params=["double", "platform"])
def dashboard(request: pytest.FixtureRequest, world: World, unused_port: int, tmp_path: Path) -> Iterator[str]:
    """The address of a dashboard over a small API that holds two tastes, and over the whole platform."""
    if request.param == "double":
        with serving(application(world)) as url, Dashboard(url, unused_port, tmp_path) as address:
            yield address
        return
    platform: Platform = request.getfixturevalue("live_platform")
    url = platform.settings.api_url
    with Dashboard(url, unused_port, tmp_path) as address:
        yield address


def _titles(page: Page) -> list[str]:
    """The titles of the list once the page is drawn to its end: until then it holds cards of the list before."""
    drawn(page)
    return page.locator(".st-key-cards-list .saran-title").all_inner_texts()


def test_a_click_changes_the_list(browser: Browser, dashboard: str) -> None:
    elsewhere: list[str] = []
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.on("request", lambda request: elsewhere.append(request.url) if foreign(request.url) else None)
        page.goto(f"{dashboard}/for-you")
        expect(page.get_by_text("nothing is known of this user yet")).to_be_visible()
        expect(page.locator(".st-key-cards-list .saran-title").nth(1)).to_be_visible()
        before = _titles(page)
        card = page.locator('[class*="st-key-card-list-"]').filter(has_text=before[1])
        card.get_by_role("button", name="Click", exact=True).click()
        expect(page.get_by_text("after Kafka acknowledged it")).to_be_visible()
        expect(page.get_by_text("from 1 event of this user")).to_be_visible()
        expect(page.locator(".saran-history li")).to_have_count(1)
        expect(page.locator(".saran-history")).to_contain_text(before[1])
        expect(page.locator(".st-key-cards-list .saran-title", has_text=before[1])).to_have_count(0)
        after = _titles(page)
        assert after != [title for title in before if title != before[1]]
        assert page.locator(".saran-move").count() > 0
        assert re.search(r"user=guest-[0-9a-f]{6}", page.url)
        user = page.get_by_role("textbox", name="User").input_value()
        page.get_by_role("link", name="Dashboard").click()
        expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
        page.get_by_role("link", name="For you").click()
        expect(page.get_by_role("textbox", name="User")).to_have_value(user)
    assert not elsewhere


def test_the_overview_is_live_and_fits_a_phone(browser: Browser, dashboard: str) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.goto(dashboard)
        asked = page.get_by_text(re.compile(r"asked \d\d:\d\d:\d\d UTC"))
        expect(asked).to_be_visible()
        first = asked.inner_text()
        expect(asked).not_to_have_text(first)
        expect(page.get_by_role("heading", name="Model")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
