"""The demo calls that the systems' users know, over HTTP, by models that Spark trained on data of their specs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from apps.spark.tests.train_events import START, Row, write_events, write_full_items
from pyspark.sql import SparkSession

from saran.core.codec import encode_items
from saran.core.confidence import Weights
from saran.core.datasets import Dataset, load_spec, open_dataset
from saran.core.entities import ACTION_CODES, Action, Item
from saran.core.model_folder import load_model
from saran.core.recommender import History, Recommender
from saran.core.settings import Settings
from saran.producer.pool import make_pool
from saran.producer.simulated import SimulatedEvents
from saran.producer.synthetic.make import synthesise
from saran.spark.als_parameters import ALSParameters
from saran.spark.list_parameters import BlendParameters
from saran.spark.stages import Stages
from saran.spark.train_purchase import train_purchase
from saran.spark.train_recommender import Plan as ListPlan
from saran.spark.train_recommender import train_recommender
from saran.spark.train_segments import train_segments
from saran.spark.visitor_parameters import PurchaseParameters, SegmentParameters
from saran.spark.visitor_training import Plan

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.postgres]

LAPTOP = "B001LAPTOP"
_LAPTOP_ROW = f'{LAPTOP},"Laptop, 14 inch",,,4.5,90000,799.0,999.0,{{category}},True,1000\n'


def _opened(settings: Settings, name: str, folder: Path) -> Dataset:
    return open_dataset(load_spec(name, settings), settings, data=folder)


def _rows(frames: Iterable[pl.DataFrame]) -> list[Row]:
    columns = ("user_id", "item_id", "event_time", "action", "event_id")
    return [
        Row(user, item, (moment - START) // timedelta(seconds=1), action, event_id=event_id)
        for frame in frames
        for user, item, moment, action, event_id in frame.select(columns).iter_rows()
    ]


def _behaviour(visitor: str, views: int, carts: int, items: int) -> dict[str, Any]:
    return {
        "visitorid_to_identify": visitor,
        "num_views": views,
        "num_addtocart": carts,
        "distinct_items_interacted": items,
    }


def _totals(visitor: str, events: int, views: int, carts: int, bought: int) -> dict[str, Any]:
    return {
        "visitorid_to_identify": visitor,
        "total_events": events,
        "total_views": views,
        "total_addtocart": carts,
        "total_transactions": bought,
        "view_ratio": views / events,
        "addtocart_ratio": carts / events,
        "transaction_ratio": bought / views,
    }


def _retail_rocket(settings: Settings, folder: Path) -> None:
    """Fill silver with a stand-in of the data set."""
    synthesise("retailrocket", folder, rows=80_000)
    write_events(settings, _rows(block.events for block in _opened(settings, "retailrocket", folder).read_events()))


def test_retail_rocket_tells_who_is_likelier_to_buy(
    api: Any, spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    _retail_rocket(settings, tmp_path / "retailrocket")
    quick = PurchaseParameters(trees=5, depth=4, boosted_trees=2, sessions=False)
    train_purchase(spark, settings, Plan("retailrocket", quick), Stages())
    api.start()
    assert api.get("/health")["models_loaded"] == ["transaction_predictor"]
    told = {
        visitor: api.ask("/predict-transaction", _behaviour(visitor, *counts))
        for visitor, counts in {
            "user_test_predict_01": (15, 2, 8),
            "power_shopper_candidate_789": (120, 7, 45),
            "casual_browser_001": (5, 0, 3),
        }.items()
    }
    assert [one["visitorid"] for one in told.values()] == list(told)
    assert all(0 <= one["probability"] <= 1 for one in told.values())
    assert told["power_shopper_candidate_789"]["probability"] > told["casual_browser_001"]["probability"]
    assert told["user_test_predict_01"]["probability"] > told["casual_browser_001"]["probability"]


def test_retail_rocket_tells_the_loyal_from_those_who_look(
    api: Any, spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    _retail_rocket(settings, tmp_path / "retailrocket")
    train_segments(spark, settings, Plan("retailrocket", SegmentParameters(most=5, iterations=5)), Stages())
    api.start()
    assert api.get("/health")["models_loaded"] == ["user_segmentation"]
    segments = {
        visitor: api.ask("/segment-user", _totals(visitor, *counts))
        for visitor, counts in {
            "user_test_segment_01": (60, 45, 6, 3),
            "loyal_customer_007": (500, 350, 50, 25),
            "window_shopper_999": (150, 140, 2, 0),
        }.items()
    }
    assert {visitor: one["visitorid"] for visitor, one in segments.items()} == {
        visitor: visitor for visitor in segments
    }
    assert segments["loyal_customer_007"]["cluster_id"] != segments["window_shopper_999"]["cluster_id"]
    assert segments["loyal_customer_007"]["segment"] != segments["window_shopper_999"]["segment"]
    assert segments["loyal_customer_007"]["segment"] == "loyal buyer"
    # 45 + 6 + 3 events are fewer than 60, as somebody may also click; the ratios are those of the figures.
    assert all(one["warning"] is None for one in segments.values())


def test_amazon_learns_of_user_1_from_the_two_events(
    api: Any, worker: Any, spark: SparkSession, settings: Settings, tmp_path: Path, until: Callable[..., None]
) -> None:
    folder = tmp_path / "amazon"
    synthesise("amazon", folder, rows=400)
    products = folder / "amazon_products.csv"
    category = products.read_text().splitlines()[1].split(",")[-3]
    products.write_text(products.read_text() + _LAPTOP_ROW.format(category=category))
    dataset = _opened(settings, "amazon", folder)
    blocks = [block.items for block in dataset.read_items()]
    write_full_items(settings, [Item.model_validate_json(text) for one in blocks for text in encode_items(one)])
    simulated = SimulatedEvents(make_pool(blocks), dataset.source, 6_000)
    write_events(settings, _rows(block.events for block in simulated.blocks(0)))
    blend = BlendParameters(trials=4, als=ALSParameters(rank=8, iterations=3))
    trained = train_recommender(
        spark, settings, ListPlan("amazon", Weights(), blend, measure=False, promote="always"), Stages()
    )
    recommender = Recommender(load_model(trained.folder))
    api.start()
    worker.start()

    def ids(answer: Any) -> list[str]:
        return [item["item_id"] for item in answer["items"]]

    popular = api.get("/recommendations/user/1?limit=5")
    assert popular["source"] == "popular"
    assert len(popular["items"]) == 5
    _, alike = recommender.similar(LAPTOP, 5, None)
    assert ids(api.get(f"/recommendations/similar/{LAPTOP}?limit=5")) == [
        recommender.item_ids[row] for row in alike.items
    ]
    item = api.get(f"/items/{LAPTOP}")
    assert (item["title"], item["price"], item["list_price"]) == ("Laptop, 14 inch", 799.0, 999.0)

    sent = [
        {"user_id": 1, "product_id": LAPTOP, "action": "view"},
        {"user_id": 1, "product_id": LAPTOP, "action": "add_to_cart"},
    ]
    assert api.post(sent)["accepted"] == 2
    worker.until_applied(2)
    until(lambda: api.get("/recommendations/user/1?limit=5")["source"] == "personal")
    answer = api.get("/recommendations/user/1?limit=5")
    codes = np.array([ACTION_CODES[Action.VIEW], ACTION_CODES[Action.ADD_TO_CART]], dtype=np.int64)
    (expected,) = recommender.recommend([History([LAPTOP] * 2, codes, np.full(2, np.nan))], 5)
    assert ids(answer) == [recommender.item_ids[row] for row in expected.items]
    assert LAPTOP not in ids(answer)
    assert ids(answer) != ids(popular)
    assert answer["history_events"] == 2
    listed = api.get("/users/1/events")["events"]
    assert [(one["item_id"], one["action"], one["title"]) for one in listed] == [
        (LAPTOP, "add_to_cart", "Laptop, 14 inch"),
        (LAPTOP, "view", "Laptop, 14 inch"),
    ]
