"""Experiments: shares, uplifts and the check of the sample ratio."""

from __future__ import annotations

import pytest
from apps.dashboard.tests.api_double import World
from apps.dashboard.tests.operator_double import some_experiments
from apps.dashboard.tests.page_words import chart_rows, run, text_of

from saran.core.experiments import sample_ratio, wilson


def _script() -> None:
    from saran.dashboard.views import experiments

    experiments.page()


def test_shares_and_uplift(api_url: str) -> None:
    page = run(_script)
    assert [(metric.label, metric.value) for metric in page.metric] == [
        ("popular: users", "80"),
        ("model: users", "70"),
        ("Sample ratio", "as it should be"),
    ]
    assert "χ² = 0.67" in page.metric[2].delta  # (5² + 5²) / 75
    assert [(row["variant"], row["share"]) for row in chart_rows(page, 0)] == [("popular", 0.6), ("model", 0.8)]
    text = text_of(page)
    assert "50.0% of all users take part" in text
    # Newcombe 1998, table II, method 10.
    assert "model** is better than popular: +20.0 points (+5.2 to +33.4), +33% relative" in text
    assert "model** is not told apart from popular: +0.5 points" in text


def test_nobody_was_shown_a_list(api_url: str, world: World) -> None:
    (one,) = some_experiments()
    nobody = [each.model_copy(update={"users": 0, "click_through": wilson(0, 0)}) for each in one.figures]
    world.experiments = [one.model_copy(update={"figures": nobody, "sample_ratio": None})]
    page = run(_script)
    assert "Nobody was shown a list of it yet" in text_of(page)
    assert not page.metric
    assert not page.get("vega_lite_chart")


def test_lost_users_are_told(api_url: str, world: World) -> None:
    (one,) = some_experiments()
    lost = sample_ratio(one.variants, {"popular": 500, "model": 100})
    told = one.model_copy(update={"sample_ratio": lost, "warnings": ["users did not fall as the weights say"]})
    world.experiments = [told, one.model_copy(update={"name": "older", "running": False})]
    page = run(_script)
    assert page.selectbox(key="experiments.chosen").value == "model-or-popular"
    assert page.metric[2].value == "mismatch"
    assert "Users did not fall as the weights say." in text_of(page)
    page.selectbox(key="experiments.chosen").set_value("older").run()
    assert page.metric[2].value == "as it should be"


@pytest.mark.parametrize("running", [True, False])
def test_whether_it_runs_is_shown(api_url: str, world: World, running: bool) -> None:
    world.experiments = [some_experiments()[0].model_copy(update={"running": running})]
    assert ("runs" if running else "ended") in text_of(run(_script))


def test_without_an_api(no_api: str) -> None:
    page = run(_script)
    assert f"The API at {no_api} does not answer." in text_of(page)
    assert not page.metric
