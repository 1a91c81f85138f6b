"""An emptied platform: no page shows a figure, a chart, a table or an item, and each says what to do."""

from __future__ import annotations

import pytest
from apps.dashboard.tests.api_double import World
from apps.dashboard.tests.operator_double import NOTHING_REJECTED
from apps.dashboard.tests.page_words import drawn_html, text_of
from streamlit.testing.v1 import AppTest

from saran.dashboard.navigation import entries
from saran.dashboard.words import UNKNOWN

PATHS = [one.path for one in entries(None)]


@pytest.fixture
def emptied(world: World) -> World:
    world.recommender = None
    world.figures = None
    world.items.clear()
    world.batches.clear()
    world.tables.clear()
    world.experiments.clear()
    world.rejected = NOTHING_REJECTED
    world.metrics |= {
        "tables": {},
        "ingest": {},
        "lag": {},
        "topics": {},
        "model": None,
        "as_of": None,
        "suggested_users": [],
    }
    return world


def _page(path: str) -> AppTest:
    script = (
        f"from saran.dashboard.navigation import entries\n[p for p in entries(None) if p.path == {path!r}][0].draw()"
    )
    page = AppTest.from_string(script, default_timeout=60).run()
    assert not page.exception
    return page


@pytest.mark.parametrize("path", PATHS)
def test_no_page_has_a_figure(emptied: World, api_url: str, path: str) -> None:
    page = _page(path)
    assert {metric.value for metric in page.metric} <= {UNKNOWN}
    assert not page.dataframe
    assert not page.get("vega_lite_chart")
    assert "saran-card" not in drawn_html(page)
    assert "saran " in text_of(page), "it says which command fills it"
