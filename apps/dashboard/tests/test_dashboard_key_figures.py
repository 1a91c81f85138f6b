"""The key figures of Dashboard: sums of two weeks, and the change between them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from apps.dashboard.tests.analytics_double import AS_OF, Figures, counts, some_figures, steps
from apps.dashboard.tests.api_double import World
from apps.dashboard.tests.page_words import run, text_of
from streamlit.testing.v1 import AppTest

from saran.core.analytics_shapes import FunnelPoint, TimelinePoint


def _script() -> None:
    from saran.dashboard.views import overview

    overview.page()


@pytest.fixture
def two_weeks(world: World) -> Figures:
    """A week of 10 views an hour with 1 purchase of 2.50 a day, after one of 5 views an hour with 1 purchase a day."""
    end = AS_OF.replace(minute=0, second=0) + timedelta(hours=1)
    figures = some_figures()
    figures.timeline, figures.funnel_points = [], []
    for hour in range(14 * 24):
        start = end - timedelta(hours=14 * 24 - hour)
        views, bought = (5 if hour < 7 * 24 else 10), int(hour % 24 == 0)
        paid = {"purchases": bought, "priced": bought, "revenue": 2.5 * bought if bought else None}
        figures.timeline.append(TimelinePoint(start=start, **counts(views=views, **paid)))
        figures.funnel_points.append(FunnelPoint(start=start, **steps(views, 0, 0, bought)))
    world.figures = figures
    world.metrics["as_of"] = AS_OF.isoformat()
    return figures


def _metrics(page: AppTest) -> dict[str, tuple[str, str]]:
    return {metric.label: (metric.value, metric.delta) for metric in page.metric if ":" not in metric.label}


def test_each_figure_against_the_week_before(two_weeks: Figures, api_url: str) -> None:
    page = run(_script)
    assert _metrics(page) == {
        "Users": ("4,321", "120 in 7 days"),
        "Items": ("9,742", ""),
        "Events": ("0.5 /s", "+99%"),  # (1680 + 7) / (840 + 7) - 1
        "Active sessions": ("6", ""),
        "Conversion": ("0.42%", "-0.42 points"),  # 7 of 1680 after 7 of 840
        "Revenue": ("17.50", "+0%"),
    }
    assert "The 7 days up to the newest event, 2026-05-04 03:02 UTC" in text_of(page)
    assert two_weeks.asked[-1][1]["bucket"] == "hour"


def test_no_change_from_a_week_that_the_data_lacks(two_weeks: Figures, world: World, api_url: str) -> None:
    two_weeks.begins = AS_OF - timedelta(days=9)
    assert {change for _, change in _metrics(run(_script)).values()} == {"", "120 in 7 days"}


def test_what_silver_has_and_figures_lack_is_told(two_weeks: Figures, world: World, api_url: str) -> None:
    assert "the stream of trends has yet to take them in" not in text_of(run(_script))
    world.metrics["as_of"] = (AS_OF + timedelta(hours=2)).isoformat()
    from saran.dashboard import connection

    connection.installation.clear()
    assert "silver has events up to 2026-05-04 05:02 UTC: the stream of trends has yet" in text_of(run(_script))


def test_before_the_first_figures(api_url: str) -> None:
    page = run(_script)
    assert "No figures" in text_of(page)
    assert set(_metrics(page)) == set()
