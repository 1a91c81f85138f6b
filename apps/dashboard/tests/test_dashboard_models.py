"""Models, Segments and Will they buy: what they show is what the versions say, and what the forms ask is answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from apps.dashboard.tests.api_double import World, details
from apps.dashboard.tests.page_words import run, text_of
from streamlit.testing.v1 import AppTest

from saran.core.model_folder import Comparison, Metric
from saran.core.version_list import Figure
from saran.core.visitor_models import Bin, Confusion, Segment
from saran.dashboard.views.models import compared
from saran.dashboard.views.segments import totals_of
from saran.dashboard.views.will_buy import curve


def _models() -> None:
    from saran.dashboard.views import models

    models.page()


def _segments() -> None:
    from saran.dashboard.views import segments

    segments.page()


def _will_buy() -> None:
    from saran.dashboard.views import will_buy

    will_buy.page()


def _figure(value: float) -> Figure:
    return Figure(value=value, low=value - 0.01, high=value + 0.01)


def _metrics(page: AppTest) -> dict[str, str]:
    return {metric.label.replace("\\", ""): metric.value for metric in page.metric}


BINS = [Bin(visitors=10, predicted=0.5, observed=0.4), Bin(visitors=30, predicted=0.1, observed=0.0)]


@pytest.fixture
def shop(world: World) -> World:
    """Two recommenders, a predictor and a segmentation."""
    gain = Comparison(
        champion="v1", metric="ndcg@10", difference=Metric(value=0.02, low=0.01, high=0.03), how="The same users."
    )
    world.models = [
        details(
            "recommender", "v2", alias="challenger", comparison=gain, card="## Known limits\n\nFigures look back.",
            figures={"als/ndcg@10": _figure(0.14), "popularity/ndcg@10": _figure(0.08)},
        ),
        details("recommender", "v1", figures={"als/ndcg@10": _figure(0.12), "popularity/ndcg@10": _figure(0.08)}),
        details(
            "transaction_predictor", "p1", threshold=0.5, horizon_days=3, calibration=BINS,
            figures={"forest/pr-auc": _figure(0.31), "forest/brier": Figure(value=0.125)},
            confusion=Confusion(bought_foretold=3, bought_missed=1, not_bought_foretold=2, not_bought_missed=34),
        ),
        details(
            "user_segmentation", "s1",
            segments=[
                Segment(cluster_id=2, name="window shopper", visitors=300, centre={"total_views": 40.0}),
                Segment(cluster_id=4, name="loyal buyer", visitors=100, centre={"total_views": 80.0}),
            ],
        ),
    ]  # fmt: skip
    return world


def test_the_versions_of_a_model_and_the_champion(shop: World, api_url: str) -> None:
    page = run(_models)
    table = page.dataframe[0].value
    assert table["version"].tolist() == ["v2", "v1"]
    assert table["alias"].tolist() == ["challenger", "champion"]
    assert table["als/ndcg@10"].tolist() == ["0.1400 (0.1300 to 0.1500)", "0.1200 (0.1100 to 0.1300)"]
    assert page.selectbox[0].value == "v1"
    assert "over 610 test users or visitors · split: the last fifth" in text_of(page)
    page.selectbox[0].select("v2").run()
    text = text_of(page)
    assert "ndcg@10 differs by **+0.0200** (+0.0100 to +0.0300); The same users." in text
    assert "Figures look back." in text
    champions = page.dataframe[-1].value
    assert champions["version"].tolist() == ["v1"]
    assert champions["since (UTC)"].tolist() == ["2026-05-04 03:02"]


def test_a_champion_that_was_measured_otherwise_is_not_put_beside(shop: World, api_url: str) -> None:
    page = run(_models)
    page.selectbox[0].select("v2").run()
    assert "another split" not in text_of(page)
    shop.models[1] = details("recommender", "v1", test_users=5, figures={"als/ndcg@10": _figure(0.12)})
    page.run()
    assert "the champion was measured on another split" in text_of(page)


def test_a_metric_has_the_versions_models_and_the_champions_own() -> None:
    mine = {"als/ndcg@10": _figure(0.14), "popularity/ndcg@10": _figure(0.08), "silhouette": Figure(value=0.3)}
    theirs = {"als/ndcg@10": _figure(0.12), "popularity/ndcg@10": _figure(0.08), "als/recall@20": _figure(0.2)}
    found = compared(mine, theirs)
    assert {metric: {name: one.value for name, one in by.items()} for metric, by in found.items()} == {
        "ndcg@10": {"als": 0.14, "popularity": 0.08, "champion’s als": 0.12}
    }


def test_segments_have_sizes_and_a_profile(shop: World, api_url: str) -> None:
    page = run(_segments)
    rows = page.dataframe[0].value
    assert rows[["segment", "visitors", "views"]].values.tolist() == [
        ["window shopper", 300, 40.0], ["loyal buyer", 100, 80.0],
    ]  # fmt: skip
    assert "400 visitors of the training data" in text_of(page)
    assert not page.metric


def test_a_what_if_visitor_gets_a_segment(shop: World, api_url: str) -> None:
    page = run(_segments)
    for name, value in (("total_views", 140), ("total_addtocart", 2), ("total_transactions", 0), ("other", 8)):
        page.number_input(key=f"segments.{name}").set_value(value)
    page.button[0].click().run()
    assert not page.exception
    assert _metrics(page) == {"Segment": "window shopper"}
    asked = shop.posted[0]
    assert (asked["total_events"], asked["view_ratio"]) == (150, 140 / 150)
    assert "Asked with 150 events: views 0.933 and carts 0.013 of them, transactions 0.000 of the views" in text_of(
        page
    )
    page.number_input(key="segments.total_transactions").set_value(7)
    page.button[0].click().run()
    assert _metrics(page) == {"Segment": "loyal buyer"}


def test_the_ratios_are_those_of_the_definitions() -> None:
    asked = totals_of(total_views=45, total_addtocart=6, total_transactions=3, other=6)
    assert (asked.total_events, asked.view_ratio, asked.addtocart_ratio) == (60, 0.75, 0.1)
    assert asked.transaction_ratio == pytest.approx(1 / 15)
    nothing = totals_of(total_views=0, total_addtocart=0, total_transactions=0, other=0)
    assert (nothing.total_events, nothing.view_ratio, nothing.transaction_ratio) == (0, 0, 0)


def test_the_chance_of_a_purchase_is_asked(shop: World, api_url: str) -> None:
    page = run(_will_buy)
    assert not page.metric
    assert page.dataframe[0].value.to_dict("records") == [
        {"model": "forest", "pr-auc": "0.3100 (0.3000 to 0.3200)", "brier": "0.1250"}
    ]
    assert page.dataframe[1].value.values.tolist() == [["said to buy", 3, 2], ["said not to", 1, 34]]
    assert "there are 2, of 10, 30 visitors" in text_of(page)
    page.number_input(key="will_buy.carts").set_value(7)
    page.button[0].click().run()
    assert not page.exception
    assert _metrics(page)["Chance of a purchase within 3 days"] == "70.0%"
    assert "**Will buy**: at or above the threshold 50.0%" in text_of(page)
    page.number_input(key="will_buy.carts").set_value(4)
    page.button[0].click().run()
    assert _metrics(page)["Chance of a purchase within 3 days"] == "40.0%"
    assert "**Will not buy**: below the threshold 50.0%" in text_of(page)


def test_lift_is_over_the_share_of_all() -> None:
    # 4 of 40 bought: 0.1. The first ten hold all of them.
    assert [row["lift"] for row in curve(BINS)] == [4.0, 0.0]
    assert [row["lift"] for row in curve([Bin(visitors=5, predicted=0.1, observed=0)])] == [None]


def test_a_version_without_calibration_says_so(shop: World, api_url: str) -> None:
    shop.models[2] = details("transaction_predictor", "p1", threshold=0.5)
    assert "no calibration" in text_of(run(_will_buy))


@pytest.mark.parametrize(
    ("script", "command"),
    [(_models, "saran train"), (_segments, "saran train segments"), (_will_buy, "saran train purchase")],
)
def test_without_a_version_there_is_no_figure(api_url: str, script: Callable[[], None], command: str) -> None:
    page = run(script)
    assert f"Train the first one with `{command}`" in text_of(page)
    assert not page.metric
    assert not page.dataframe
    assert not page.get("vega_lite_chart")


@pytest.mark.parametrize("script", [_models, _segments, _will_buy])
def test_without_an_api(no_api: str, script: Callable[[], None]) -> None:
    page = run(script)
    assert f"The API at {no_api} does not answer." in text_of(page)
    assert not page.metric
    assert not page.dataframe
