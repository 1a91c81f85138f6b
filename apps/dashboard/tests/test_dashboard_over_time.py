"""Event timeline and Active users: figures as the API has them, of what is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apps.dashboard.tests.analytics_double import Figures, some_figures
from apps.dashboard.tests.api_double import World
from apps.dashboard.tests.page_words import chart_rows, run, text_of
from streamlit.testing.v1 import AppTest

from saran.core.analytics_shapes import Bucket
from saran.dashboard.views.zoom import Window, inside


def _timeline() -> None:
    from saran.dashboard.views import timeline

    timeline.page()


def _active() -> None:
    from saran.dashboard.views import active

    active.page()


@pytest.fixture
def figures(world: World) -> Figures:
    world.figures = some_figures()
    return world.figures


def test_events_by_action(figures: Figures, api_url: str) -> None:
    page = run(_timeline)
    assert [(metric.label, metric.value) for metric in page.metric] == [
        ("Views", "2,000"),
        ("Carts", "3"),
        ("Purchases", "2"),
        ("Revenue", "25.50"),
    ]
    assert [(row["action"], row["at"], row["events"]) for row in chart_rows(page)] == [
        ("views", "2026-05-03 00:00 UTC", 1500),
        ("views", "2026-05-04 00:00 UTC", 500),
        ("carts", "2026-05-03 00:00 UTC", 3),
        ("carts", "2026-05-04 00:00 UTC", 0),
        ("purchases", "2026-05-03 00:00 UTC", 0),
        ("purchases", "2026-05-04 00:00 UTC", 2),
    ]
    assert "data as of 2026-05-04 03:02 UTC" in text_of(page)


def test_the_bucket_and_category_are_asked(figures: Figures, api_url: str) -> None:
    page = run(_timeline)
    page.segmented_control(key="timeline.period").set_value("24 hours").run()
    page.selectbox(key="timeline.category").set_value("Crime").run()
    route, asked = figures.asked[-1]
    assert (route, asked["bucket"], asked["category"]) == ("timeline", "hour", "Crime")


def test_from_days_to_hours_to_minutes_and_back(figures: Figures, api_url: str) -> None:
    def asked() -> dict[str, Any]:
        return figures.asked[-1][1]

    page = run(_timeline)
    day = datetime(2026, 5, 3, tzinfo=UTC)
    page.selectbox(key="timeline.into.0").set_value(day).run()
    assert asked() == {"from": day, "to": day + timedelta(days=1), "bucket": "hour"}
    page.selectbox(key="timeline.into.1").set_value(day).run()
    assert asked() == {"from": day, "to": day + timedelta(hours=1), "bucket": "minute"}
    assert "events of each minute" in text_of(page)
    assert [one.key for one in page.selectbox] == ["timeline.category"]
    page.button(key="timeline.out").click().run()
    assert asked()["bucket"] == "hour"
    page.segmented_control(key="timeline.period").set_value("1 hour").run()
    assert not page.exception
    assert (asked()["bucket"], "to" in asked()) == ("minute", False)
    assert not [one for one in page.button if one.key == "timeline.out"]


@pytest.mark.parametrize(
    ("bucket", "start", "end", "finer"),
    [
        (Bucket.MONTH, "2024-02-01", "2024-03-01", Bucket.DAY),
        (Bucket.MONTH, "2025-12-01", "2026-01-01", Bucket.DAY),
        (Bucket.WEEK, "2026-04-27", "2026-05-04", Bucket.DAY),
        (Bucket.DAY, "2026-05-04", "2026-05-05", Bucket.HOUR),
        (Bucket.HOUR, "2026-05-04T23:00", "2026-05-05", Bucket.MINUTE),
    ],
)
def test_a_bucket_is_made_of_finer_ones(bucket: Bucket, start: str, end: str, finer: Bucket) -> None:
    begins, ends = (datetime.fromisoformat(time).replace(tzinfo=UTC) for time in (start, end))
    assert inside(begins, bucket) == Window(begins, ends, finer)


def test_users_and_the_hours_of_the_week(figures: Figures, api_url: str) -> None:
    page = run(_active)
    assert [metric.value for metric in page.metric] == ["17", "120", "1,234", "4,321", "6"]
    rows = {(row["weekday"], row["hour"]): (row["users_mean"], row["events"]) for row in chart_rows(page)}
    assert len(rows) == 168
    assert rows["Mon", 0] == (1.0, 100)
    assert rows["Sun", 23] == (12.75, 723)
    assert "data as of 2026-05-04 03:02 UTC" in text_of(page)


def test_who_comes_again(figures: Figures, api_url: str) -> None:
    page = run(_active)
    rows = chart_rows(page, 1)
    assert [(row["cohort"], row["after"], row["came"], row["share"]) for row in rows] == [
        ("2026-04-20", 0, 100, 1.0),
        ("2026-04-20", 1, 40, 0.4),
        ("2026-04-20", 2, 25, 0.25),
        ("2026-04-27", 0, 60, 1.0),
        ("2026-04-27", 1, 30, 0.5),
    ]
    page.segmented_control(key="active.cohort").set_value("month").run()
    assert figures.asked[-1][0] == "retention"
    assert figures.asked[-1][1]["bucket"] == "month"


def test_the_heading_is_there_before_the_api_is_asked(
    figures: Figures, api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> None:
        raise LookupError

    monkeypatch.setattr("saran.dashboard.views.analysis.known", asked)
    page = AppTest.from_function(_timeline, default_timeout=60).run()
    assert page.exception
    assert [one.value for one in page.title] == ["Event timeline"]
    assert "Events by action and time" in text_of(page)


def test_a_period_without_events(figures: Figures, api_url: str) -> None:
    figures.timeline.clear()
    figures.cells.clear()
    figures.cohorts.clear()
    for script in (_timeline, _active):
        page = run(script)
        assert "No event in this period" in text_of(page)
        assert not page.get("vega_lite_chart")


@pytest.mark.parametrize("script", [_timeline, _active])
def test_without_an_api(no_api: str, script: Callable[[], None]) -> None:
    page = run(script)
    assert f"The API at {no_api} does not answer." in text_of(page)
    assert not page.metric
    assert not page.get("vega_lite_chart")
