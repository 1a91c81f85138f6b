"""Trending: movers and categories as the API has them, and what is said where there are none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from apps.dashboard.tests.analytics_double import AS_OF, some_figures
from apps.dashboard.tests.api_double import World
from apps.dashboard.tests.page_words import chart_rows, drawn_html, run, text_of

from saran.core.analytics_shapes import TrendWindow
from saran.dashboard.views.trending import question


def _script() -> None:
    from saran.dashboard.views import trending

    trending.page()


@pytest.fixture
def figured(world: World) -> World:
    world.figures = some_figures()
    return world


def test_movers_and_categories_are_those_of_the_api(figured: World, api_url: str) -> None:
    page = run(_script)
    html = drawn_html(page)
    assert html.index("Ronin (1991)") < html.index("Up (1990)")
    assert "trend +4.2 · 1 view today" in html
    assert "trend +2.0 · 7 views today" in html
    assert ">1 · +150%<" in html
    assert ">2 · new<" in html
    text = text_of(page)
    assert "data as of 2026-05-04 03:02 UTC · cards of model v7" in text
    assert "interest by hour" in text
    assert [(row["category"], row["at"], row["interest"]) for row in chart_rows(page)] == [
        ("Crime", "2026-05-04 02:00 UTC", 10.0),
        ("Crime", "2026-05-04 03:00 UTC", 30.0),
        ("Animation", "2026-05-04 02:00 UTC", 0.0),
        ("Animation", "2026-05-04 03:00 UTC", 4.0),
    ]
    table = page.dataframe[0].value
    assert table["growth"].tolist() == ["+25%", "new"]
    assert table["before"].tolist() == [32.0, 0.0]


def test_a_category_and_a_table(figured: World, api_url: str) -> None:
    page = run(_script)
    page.selectbox(key="trending.category").set_value("Animation").run()
    page.segmented_control(key="trending.form").set_value("Table").run()
    assert "saran-card" not in drawn_html(page)
    movers, categories = (one.value for one in page.dataframe)
    assert movers["item_id"].tolist() == ["b0"]
    assert movers["trend_score"].tolist() == [2.0]
    assert categories["category"].tolist() == ["Animation"]
    assert figured.figures is not None
    assert figured.figures.asked[-1][1]["category"] == "Animation"


def test_the_chart_is_of_the_window(figured: World, api_url: str) -> None:
    page = run(_script)
    page.segmented_control(key="trending.window").set_value(TrendWindow.SIX_HOURS).run()
    assert "Up (1990)" not in drawn_html(page)
    assert figured.figures is not None
    route, asked = figured.figures.asked[-1]
    assert (route, asked["from"], asked["bucket"]) == ("trends", datetime(2026, 5, 3, 22, tzinfo=UTC), "hour")


@pytest.mark.parametrize(
    ("window", "begin"),
    [
        (TrendWindow.DAY, datetime(2026, 5, 3, 4, tzinfo=UTC)),
        (TrendWindow.WEEK, datetime(2026, 4, 28, tzinfo=UTC)),
        (TrendWindow.MONTH, datetime(2026, 4, 5, tzinfo=UTC)),
    ],
)
def test_a_window_in_whole_hours_or_days(window: TrendWindow, begin: datetime) -> None:
    assert question(window, None, AS_OF).from_ == begin


def test_what_is_only_popular_is_said_to_be(world: World, api_url: str) -> None:
    page = run(_script)
    assert "There are no figures yet" in text_of(page)
    assert "Popular" in text_of(page)
    assert "trend +" not in drawn_html(page)
    assert "views today" not in drawn_html(page)
    assert not page.get("vega_lite_chart")
    assert not page.dataframe


def test_no_mover(figured: World, api_url: str) -> None:
    assert figured.figures is not None
    figured.figures.movers.clear()
    figured.figures.trends.clear()
    page = run(_script)
    assert "Nothing in this window" in text_of(page)
    assert "No category" in text_of(page)
    assert not page.get("vega_lite_chart")


def test_without_an_api(no_api: str) -> None:
    page = run(_script)
    assert f"The API at {no_api} does not answer." in text_of(page)
    assert not drawn_html(page)
