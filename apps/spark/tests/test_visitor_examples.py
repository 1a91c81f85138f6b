"""Features and labels of visitors: by hand, and that no feature knows the future."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from apps.spark.tests.train_events import START, Row, write_events
from apps.spark.tests.visitor_events import shop
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from saran.core.entities import ACTION_CODES
from saran.core.recommender import History
from saran.core.settings import Settings
from saran.core.visitor_counts import behaviour_of, totals_of
from saran.core.visitor_models import PURCHASE_INPUTS, SEGMENT_INPUTS, SESSION_INPUTS
from saran.spark.tables import read_events, silver_events
from saran.spark.visitor_examples import behaviour, purchase_examples, purchase_inputs

pytestmark = pytest.mark.spark

BY_HAND = [
    Row("a", "x", 0, "view"),
    Row("a", "x", 10, "click"),
    Row("a", "y", 20, "add_to_cart"),
    Row("a", "y", 30, "purchase"),
    Row("b", "z", 5, "impression"),
]


def _events(spark: SparkSession, home: Path, rows: list[Row]) -> DataFrame:
    settings = Settings(home=home)
    write_events(settings, rows)
    return read_events(spark, silver_events(settings))


def test_features_stop_at_the_moment_and_the_label_begins_behind_it(spark: SparkSession, tmp_path: Path) -> None:
    """Every moment that a seed can draw for visitor a, who has four events."""
    events = _events(spark, tmp_path, BY_HAND).persist()
    start = int(START.timestamp() * 1000)
    expected = {
        0: (1.0, 0.0, 1.0, True),
        10: (2.0, 0.0, 1.0, True),
        20: (2.0, 1.0, 2.0, True),
        30: (2.0, 1.0, 2.0, False),
    }
    drawn = set()
    for seed in range(12):
        rows = {row.user_id: row for row in purchase_examples(events, horizon_days=1, seed=seed).collect()}
        second = (rows["a"].moment_ms - start) // 1000
        drawn.add(second)
        assert (*(rows["a"][name] for name in PURCHASE_INPUTS), rows["a"].bought) == expected[second]
        assert [rows["b"][name] for name in PURCHASE_INPUTS] == [0.0, 0.0, 1.0]
    assert len(drawn) > 2, "the seed draws the moment"

    near = purchase_examples(events, horizon_days=5 / 86_400, seed=1).where("user_id = 'a'").head()
    assert near is not None
    assert near.bought == ((near.moment_ms - start) // 1000 == 25), "a purchase behind the horizon is none"
    events.unpersist()


def test_session_features_by_hand(spark: SparkSession, tmp_path: Path) -> None:
    """At the last event, and at the moments before it that are drawn for visitors who did the same."""
    hour = 3600
    mine = [
        Row("a", "x", 0, "view"),
        Row("a", "x", 60, "add_to_cart"),
        Row("a", "x", 24 * hour, "purchase"),
        Row("a", "y", 24 * hour + 1799, "view"),
        Row("a", "x", 24 * hour + 3599, "view"),
        Row("a", "y", 24 * hour + 3659, "view"),
    ]
    visits = [row._replace(user=f"a{visitor}") for visitor in range(12) for row in mine]
    events = _events(spark, tmp_path, visits).persist()
    names = SESSION_INPUTS[len(PURCHASE_INPUTS) :]
    # Purchases, sessions, days, minutes since the event before, views of the item; of the session events, carts, items
    # and minutes.
    expected = {
        0: [0, 1, 0, 0, 1, 1, 0, 1, 0],
        60: [0, 1, 60 / 86_400, 1, 1, 2, 1, 1, 1],
        24 * hour: [1, 2, 1, 24 * 60 - 1, 1, 1, 0, 1, 0],
        24 * hour + 1799: [1, 2, 1 + 1799 / 86_400, 1799 / 60, 1, 2, 0, 2, 1799 / 60],
        24 * hour + 3599: [1, 3, 1 + 3599 / 86_400, 30, 2, 1, 0, 1, 0],
        24 * hour + 3659: [1, 3, 1 + 3659 / 86_400, 1, 2, 2, 0, 2, 1],
    }
    for last in purchase_inputs(events).collect():
        assert [last[name] for name in names] == pytest.approx(expected[24 * hour + 3659], rel=1e-6)
    start = int(START.timestamp() * 1000)
    drawn = set()
    for row in purchase_examples(events, horizon_days=1, seed=1).collect():
        second = (row.moment_ms - start) // 1000
        drawn.add(second)
        assert [row[name] for name in names] == pytest.approx(expected[second], rel=1e-6)
    assert len(drawn) > 3, "each visitor has a moment of its own"
    events.unpersist()


def test_behaviour_by_hand(spark: SparkSession, tmp_path: Path) -> None:
    """Of the same events, the API asks what the training counts."""
    events = _events(spark, tmp_path, BY_HAND).persist()
    rows = {row.user_id: row for row in behaviour(events).collect()}
    assert [rows["a"][name] for name in SEGMENT_INPUTS] == [4.0, 2.0, 1.0, 1.0, 0.5, 0.25, 0.5]
    assert [rows["b"][name] for name in SEGMENT_INPUTS] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    for trained in purchase_inputs(events).collect():
        mine = [row for row in BY_HAND if row.user == trained.user_id]
        codes = np.array([ACTION_CODES[row.action] for row in mine])
        history = History([row.item for row in mine], codes, np.full(len(mine), np.nan))
        asked = behaviour_of(trained.user_id, history)
        assert [getattr(asked, name) for name in PURCHASE_INPUTS] == [trained[name] for name in PURCHASE_INPUTS]
        totals = totals_of(trained.user_id, history)
        assert [getattr(totals, name) for name in SEGMENT_INPUTS] == [
            rows[trained.user_id][name] for name in SEGMENT_INPUTS
        ]
    events.unpersist()


def test_changing_the_future_changes_no_feature(spark: SparkSession, tmp_path: Path) -> None:
    """Behind each visitor's moment every event becomes another item and another action; only labels may move."""
    events = _events(spark, tmp_path, shop(200)).persist()
    examples = purchase_examples(events, horizon_days=1, seed=3).persist()
    moments = examples.select("user_id", "moment_ms")
    late = F.unix_millis("event_time") > F.col("moment_ms")
    changed = (
        events.join(moments, "user_id", how="inner")
        .withColumn("action", F.when(late, F.lit("add_to_cart")).otherwise(F.col("action")))
        .withColumn("item_id", F.when(late, F.concat(F.lit("other-"), "event_id")).otherwise(F.col("item_id")))
        .drop("moment_ms")
    )
    kept = ["user_id", "moment_ms", *SESSION_INPUTS]
    before = sorted(examples.select(*kept).collect())
    again = purchase_examples(changed, horizon_days=1, seed=3)
    assert sorted(again.select(*kept).collect()) == before
    assert again.where("bought").count() == 0 < examples.where("bought").count()
    for frame in (events, examples):
        frame.unpersist()
