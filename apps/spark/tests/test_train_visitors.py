"""Both visitor models from silver to a served version: what is written, twice the same, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from apps.spark.tests.train_events import Row, write_events
from apps.spark.tests.visitor_events import shop
from deltalake import DeltaTable
from pyspark.ml.clustering import KMeansModel
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from saran.core.errors import SaranError
from saran.core.names import Model, Table
from saran.core.settings import Settings
from saran.core.versions import champion
from saran.core.visitor_models import (
    EXAMPLES,
    PURCHASE_INPUTS,
    SEGMENT_INPUTS,
    load_predictor,
    load_segmentation,
)
from saran.spark.commands import app
from saran.spark.stages import Stages
from saran.spark.train_purchase import BOOSTED, CONSTANT, FOREST, LOGISTIC, train_purchase
from saran.spark.train_segments import train_segments
from saran.spark.visitor_parameters import PurchaseParameters, SegmentParameters
from saran.spark.visitor_training import MLLIB, Plan

pytestmark = pytest.mark.spark

VISITORS = 1500
QUICK = PurchaseParameters(horizon_days=1, trees=5, depth=4, boosted_trees=3)
PURCHASE = Plan("shop", QUICK)
SEGMENTS = Plan("shop", SegmentParameters(least=4, most=5, iterations=5))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("visitors"))
    write_events(settings, shop(VISITORS))
    return settings


def _gold(settings: Settings, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = DeltaTable(settings.table_path(table)).to_pyarrow_table().to_pylist()
    return rows


def test_the_predictor_ranks_buyers_first_and_gold_says_what_the_graph_says(
    spark: SparkSession, settings: Settings
) -> None:
    trained = train_purchase(spark, settings, PURCHASE, Stages())
    assert champion(settings.models_path, Model.TRANSACTION_PREDICTOR) == trained.manifest.version
    model = load_predictor(trained.folder)
    manifest = model.manifest
    assert manifest.tables == {Table.SILVER_EVENTS: 0}
    assert set(manifest.evaluation.metrics) == {FOREST, BOOSTED, LOGISTIC, CONSTANT}
    served = FOREST if "forest" in manifest.algorithm else BOOSTED
    figures = {name: metrics["pr-auc"] for name, metrics in manifest.evaluation.metrics.items()}
    assert figures[served].low > figures[CONSTANT].high, "carts foretell purchases here"
    assert manifest.evaluation.metrics[CONSTANT]["roc-auc"].value == 0.5
    confusion = manifest.confusion
    assert confusion.bought_foretold + confusion.bought_missed == manifest.buyers["test"]
    assert sum(group.visitors for group in manifest.calibration) == manifest.examples["test"]

    rows = _gold(settings, Table.GOLD_PURCHASE_PROPENSITY)
    assert len(rows) == VISITORS
    features = np.array([[row[name] for name in PURCHASE_INPUTS] for row in rows], dtype=np.float32)
    said = model.run(features)
    assert np.abs(said - [row["probability"] for row in rows]).max() < 1e-12
    assert [row["will_transact"] for row in rows] == (said >= manifest.threshold).tolist()
    assert {row["model_version"] for row in rows} == {manifest.version}
    # power_shopper_candidate_789 and casual_browser_001 of the Retail Rocket system.
    power_shopper, casual_browser = model.run(np.array([[120, 7, 45], [5, 0, 3]], dtype=np.float32))
    assert power_shopper > casual_browser

    examples = pq.read_table(Path(str(trained.folder)) / EXAMPLES)
    assert examples.num_rows == sum(manifest.examples.values())
    assert set(examples.column_names) == {*PURCHASE_INPUTS, "bought", "part"}, "no visitor is named"


def test_the_same_seed_and_tables_give_the_same_predictor(spark: SparkSession, settings: Settings) -> None:
    plan = Plan("shop", QUICK.model_copy(update={"algorithm": "forest"}))
    one, two = (train_purchase(spark, settings, plan, Stages()) for _ in range(2))
    assert one.manifest.version[-8:] == two.manifest.version[-8:]
    assert one.manifest.evaluation == two.manifest.evaluation
    graphs = [load_predictor(trained.folder).manifest.sha256 for trained in (one, two)]
    assert graphs[0] == graphs[1]


def test_segments_have_names_from_their_centres_and_keep_their_ids(spark: SparkSession, settings: Settings) -> None:
    first = train_segments(spark, settings, SEGMENTS, Stages()).manifest
    trained = train_segments(spark, settings, replace(SEGMENTS, mllib=True), Stages())
    second = trained.manifest
    assert champion(settings.models_path, Model.USER_SEGMENTATION) == second.version
    assert (first.matched_with, second.matched_with) == (None, first.version)
    assert set(second.silhouette) == {4, 5}
    for one, other in zip(first.segments, second.segments, strict=True):
        # Sums of partitions are added in any order: the last bits of a centre may differ.
        assert one.centre == pytest.approx(other.centre, abs=1e-9)
        assert (one.cluster_id, one.name, one.visitors) == (other.cluster_id, other.name, other.visitors)
    assert "loyal buyer" in [segment.name for segment in second.segments]

    rows = _gold(settings, Table.GOLD_USER_SEGMENTS)
    assert len(rows) == VISITORS
    model = load_segmentation(trained.folder)
    features = np.array([[row[name] for name in SEGMENT_INPUTS] for row in rows], dtype=np.float32)
    assert model.run(features).tolist() == [row["cluster_id"] for row in rows]
    # loyal_customer_007 and window_shopper_999 of the Retail Rocket system.
    asked = [[500, 350, 50, 25, 0.7, 0.1, 25 / 350], [150, 140, 2, 0, 140 / 150, 2 / 150, 0]]
    loyal_customer, window_shopper = model.run(np.array(asked, dtype=np.float32))
    assert loyal_customer != window_shopper
    centres = KMeansModel.load(f"{trained.folder}/{MLLIB}").clusterCenters()
    assert len(centres) == len(second.segments)
    counts = {segment.cluster_id: segment.visitors for segment in second.segments}
    assert {one: [row["cluster_id"] for row in rows].count(one) for one in counts} == counts
    names = {segment.cluster_id: segment.name for segment in second.segments}
    assert all(row["segment"] == names[row["cluster_id"]] for row in rows)


def test_too_little_to_learn_from_is_refused_with_the_fix(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(SaranError, match=r"there is no table silver\.events"):
        train_purchase(spark, settings, PURCHASE, Stages())
    write_events(settings, [Row("u", "a", 1), Row("v", "a", 2)])
    with pytest.raises(SaranError, match=r"in the train part .* 0 of 0 visitors buy .*: widen the window"):
        train_purchase(spark, settings, PURCHASE, Stages())
    with pytest.raises(SaranError, match=r"behave in 1 ways, and 4 clusters .*: load events first"):
        train_segments(spark, settings, SEGMENTS, Stages())
    assert champion(settings.models_path, Model.TRANSACTION_PREDICTOR) is None


def test_what_cannot_be_set_is_named() -> None:
    answer = CliRunner().invoke(app, ["train", "purchase", "--set", "tress=3"])
    assert isinstance(answer.exception, SaranError)
    assert "there is no parameter tress" in answer.exception.message
    answer = CliRunner().invoke(app, ["train", "segments", "--set", "least=8"])
    assert isinstance(answer.exception, SaranError)
    assert "least is 8 and most 7" in answer.exception.message
