"""Funnel: steps, rates and times as the API has them, of what is asked."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from apps.dashboard.tests.analytics_double import Figures, some_figures, steps
from apps.dashboard.tests.api_double import World
from apps.dashboard.tests.page_words import chart_rows, run, text_of

from saran.core.analytics_shapes import FunnelSteps


def _script() -> None:
    from saran.dashboard.views import funnel

    funnel.page()


@pytest.fixture
def figures(world: World) -> Figures:
    world.figures = some_figures()
    return world.figures


def test_steps_rates_and_times_are_those_of_the_api(figures: Figures, api_url: str) -> None:
    page = run(_script)
    assert [(metric.label, metric.value) for metric in page.metric] == [
        ("Cart rate", "4.0%"),
        ("Purchase rate", "1.0%"),
        ("Cart to purchase", "25.0%"),
        ("To the cart", "2 min"),
        ("To the purchase", "1 h"),
    ]
    assert [(row["step"], row["entries"], row["text"]) for row in chart_rows(page)] == [
        ("view", 2000, "2,000 · 100.0%"),
        ("click", 1200, "1,200 · 60.0%"),
        ("cart", 80, "80 · 4.0%"),
        ("purchase", 20, "20 · 1.0%"),
    ]
    assert [(row["rate"], row["at"], row["share"]) for row in chart_rows(page, 1)] == [
        ("cart rate", "2026-05-03 00:00 UTC", 0.03),
        ("cart rate", "2026-05-04 00:00 UTC", 0.05),
        ("purchase rate", "2026-05-03 00:00 UTC", 0.01),
        ("purchase rate", "2026-05-04 00:00 UTC", 0.01),
    ]
    assert "data as of 2026-05-04 03:02 UTC" in text_of(page)


def test_what_is_chosen_is_asked(figures: Figures, api_url: str) -> None:
    page = run(_script)
    page.selectbox(key="funnel.category").set_value("Crime").run()
    since = datetime(2018, 8, 25, 15, tzinfo=UTC)
    assert figures.asked[-2:] == [
        ("funnel", {"from": since, "category": "Crime", "bucket": "day", "scope": "item"}),
        ("funnel/users", {"from": since, "category": "Crime", "step": "cart", "limit": 50, "offset": 0}),
    ]
    page.segmented_control(key="funnel.scope").set_value("session").run()
    page.segmented_control(key="funnel.period").set_value("All").run()
    assert figures.asked[-1][1] == {
        "from": datetime(1970, 1, 1, tzinfo=UTC), "bucket": "month", "scope": "session",
    }  # fmt: skip
    assert page.metric[0].value == "10.0%"


def test_who_stopped_at_a_step_with_a_way_to_their_lists(figures: Figures, api_url: str) -> None:
    page = run(_script)
    table = page.dataframe[0].value
    assert len(table) == 50
    assert table.iloc[1].to_dict() == {
        "user": "u 1", "entries": 99, "last view (UTC)": "2026-05-04 03:01", "item": "a1", "lists": "for-you?user=u+1",
    }  # fmt: skip
    assert "1 to 50 of 60 users with 4,230 entries" in text_of(page)
    page.number_input[0].set_value(2).run()
    assert page.dataframe[0].value["user"].tolist() == [f"u {n}" for n in range(50, 60)]
    assert "51 to 60 of 60 users" in text_of(page)
    page.segmented_control(key="funnel.step").set_value("purchase").run()
    assert "Nobody in this period" in text_of(page)
    page.segmented_control(key="funnel.scope").set_value("session").run()
    assert "Users are told of items" in text_of(page)
    assert not page.dataframe


def test_no_view_is_no_figure(figures: Figures, api_url: str) -> None:
    figures.funnels["item"] = FunnelSteps(**steps(0, 0, 0, 0))
    page = run(_script)
    assert "No view in this period" in text_of(page)
    assert not page.metric
    assert not page.get("vega_lite_chart")


def test_no_figures_is_no_missing_model(world: World, api_url: str) -> None:
    text = text_of(run(_script))
    assert "There are no figures yet" in text
    assert "saran train" not in text


def test_an_api_that_goes_away_leaves_the_last_figures_called_stale(
    figures: Figures, api_url: str, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saran.dashboard import connection

    page = run(_script)
    monkeypatch.setenv("SARAN_API_URL", f"http://127.0.0.1:{unused_port}")
    for one in (connection.api, connection.settings, connection.installation):
        one.clear()
    page.run()
    assert "What follows is **stale**" in text_of(page)
    assert page.metric[0].value == "4.0%"
    page.segmented_control(key="funnel.scope").set_value("session").run()
    assert "stale" not in text_of(page)
    assert not page.metric
