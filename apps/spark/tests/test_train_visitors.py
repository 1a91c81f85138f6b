"""Both visitor models from silver to a served version: what is written, twice the same, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from apps.spark.tests.train_events import START, Row, write_events
from apps.spark.tests.visitor_events import shop
from deltalake import DeltaTable
from pyspark.ml.clustering import KMeansModel
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from saran.core.errors import SaranError
from saran.core.names import Model, Table
from saran.core.settings import Settings
from saran.core.version_check import check_version
from saran.core.version_list import Facts
from saran.core.versions import ModelError, champion
from saran.core.visitor_models import (
    EXAMPLES,
    GRAPH,
    INPUT,
    PURCHASE_INPUTS,
    SEGMENT_INPUTS,
    SESSION_INPUTS,
    SESSIONS_GRAPH,
    PredictorManifest,
    SegmentManifest,
    load_predictor,
    load_segmentation,
    open_graph,
)
from saran.spark.commands import app
from saran.spark.from_manifest import differing_files, read_recipe
from saran.spark.purchase_forests import BOOSTED, FOREST
from saran.spark.registry import sync
from saran.spark.stages import Stages
from saran.spark.tables import read_events, silver_events
from saran.spark.train_purchase import CONSTANT, LOGISTIC, train_purchase
from saran.spark.train_segments import train_segments
from saran.spark.visitor_examples import purchase_examples
from saran.spark.visitor_parameters import PurchaseParameters, SegmentParameters
from saran.spark.visitor_training import MLLIB, Plan

pytestmark = pytest.mark.spark

VISITORS = 1500
DAY_MS = 24 * 3_600_000
QUICK = PurchaseParameters(horizon_days=1, trees=5, depth=4, boosted_trees=3, sessions=False)
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
    assert set(examples.column_names) == {*SESSION_INPUTS, "bought", "part"}, "no visitor is named"


def test_the_better_predictor_on_validation_makes_the_propensities_and_no_later_event_moves_it(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    # Boosted trees alone: half the time, and the graph of the forest is tried above.
    told = QUICK.model_copy(update={"sessions": True, "algorithm": "boosted"})
    trained = train_purchase(spark, settings, Plan("shop", told, promote="always"), Stages())
    manifest = trained.manifest
    sessions = manifest.sessions
    assert sessions is not None
    assert manifest.newest_event is not None
    assert {"boosted", "logistic", "constant", "sessions-boosted", "sessions-logistic"} == set(
        manifest.evaluation.metrics
    )
    confusion = sessions.confusion
    assert confusion.bought_foretold + confusion.bought_missed == manifest.buyers["test"]
    rows = _gold(settings, Table.GOLD_PURCHASE_PROPENSITY)
    name = "sessions" if sessions.validation["sessions"] > sessions.validation["counts"] else "counts"
    assert {row["predictor"] for row in rows} == {name}
    inputs, threshold = (
        (SESSION_INPUTS, sessions.threshold) if name == "sessions" else (PURCHASE_INPUTS, manifest.threshold)
    )
    folder = Path(str(trained.folder))
    graph = open_graph((folder / (SESSIONS_GRAPH if name == "sessions" else GRAPH)).read_bytes())
    features = np.array([[row[one] for one in inputs] for row in rows], dtype=np.float32)
    (said, *_) = graph.run(None, {INPUT: features})
    assert np.abs(said - [row["probability"] for row in rows]).max() < 1e-12
    assert [row["will_transact"] for row in rows] == (said >= threshold).tolist()

    # What was learnt and chosen is of events up to the end of the validation part's labels: those behind it may be any.
    examples = purchase_examples(read_events(spark, silver_events(settings)), horizon_days=1, seed=42).toArrow()
    moments = np.sort(examples.column("moment_ms").to_numpy())
    end = float(np.quantile(moments[moments <= manifest.newest_event.timestamp() * 1000 - DAY_MS], 0.8))
    start = int(START.timestamp() * 1000)
    rng = np.random.default_rng(1)
    changed = [
        row
        if start + 1000 * row.second <= end
        else row._replace(action=str(rng.choice(["view", "purchase"])), item=f"j{row.second}")
        for row in shop(VISITORS)
    ]
    other = Settings(home=tmp_path)
    write_events(other, changed)
    again = train_purchase(spark, other, Plan("shop", told), Stages())
    for file in (GRAPH, SESSIONS_GRAPH):
        assert (Path(str(again.folder)) / file).read_bytes() == (folder / file).read_bytes()
    assert again.manifest.sessions is not None
    assert again.manifest.sessions.validation == sessions.validation
    assert (again.manifest.threshold, again.manifest.sessions.threshold) == (manifest.threshold, sessions.threshold)
    assert again.manifest.evaluation.metrics != manifest.evaluation.metrics, "what is behind it is tested on"


def test_the_same_seed_and_tables_give_the_same_predictor(spark: SparkSession, settings: Settings) -> None:
    first = Plan("shop", QUICK)
    one = train_purchase(spark, settings, first, Stages())
    recipe = read_recipe(settings.models_path, one.manifest.version, Model.TRANSACTION_PREDICTOR, PredictorManifest)
    two = train_purchase(spark, settings, replace(first, promote="never", again=recipe), Stages())
    assert not two.decision.promoted
    assert differing_files(recipe, two.written()) == []
    assert one.manifest.version[-8:] == two.manifest.version[-8:]
    assert one.manifest.evaluation == two.manifest.evaluation
    assert one.written().sha256 == two.written().sha256


def test_another_recipe_takes_over_only_where_that_is_no_loss(spark: SparkSession, settings: Settings) -> None:
    champion_of_now = train_purchase(spark, settings, replace(PURCHASE, promote="always"), Stages()).manifest.version
    gold = _gold(settings, Table.GOLD_PURCHASE_PROPENSITY)
    blind = QUICK.model_copy(update={"algorithm": "forest", "least_leaf": VISITORS})
    trained = train_purchase(spark, settings, Plan("shop", blind), Stages())
    comparison = trained.manifest.comparison
    assert comparison is not None
    assert (comparison.champion, comparison.metric) == (champion_of_now, "pr-auc")
    # A forest that may not split says the same of all: it has the constant's area under the curve.
    lost = trained.manifest.evaluation.metrics[CONSTANT]["pr-auc"].value - _served_area(settings, champion_of_now)
    assert comparison.difference.value == pytest.approx(lost)
    assert comparison.difference.high < 0
    assert not trained.decision.promoted
    assert "may be a loss" in trained.decision.why
    assert champion(settings.models_path, Model.TRANSACTION_PREDICTOR) == champion_of_now
    assert _gold(settings, Table.GOLD_PURCHASE_PROPENSITY) == gold, "the table is of what is served"

    longer = train_purchase(spark, settings, Plan("shop", QUICK.model_copy(update={"horizon_days": 2.0})), Stages())
    assert not longer.decision.promoted
    assert "which foretells purchases within 1 days" in longer.decision.why


def _served_area(settings: Settings, version: str) -> float:
    manifest = load_predictor(settings.models_path / Model.TRANSACTION_PREDICTOR / version).manifest
    served = FOREST if "forest" in manifest.algorithm else BOOSTED
    return manifest.evaluation.metrics[served]["pr-auc"].value


def test_segments_have_names_from_their_centres_and_keep_their_ids(spark: SparkSession, settings: Settings) -> None:
    first = train_segments(spark, settings, SEGMENTS, Stages()).manifest
    trained = train_segments(spark, settings, replace(SEGMENTS, mllib=True), Stages())
    second = trained.manifest
    assert champion(settings.models_path, Model.USER_SEGMENTATION) == second.version
    assert (first.matched_with, second.matched_with) == (None, first.version)
    assert set(second.silhouette) == {4, 5}
    for one, other in zip(first.segments, second.segments, strict=True):
        assert one == other
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
    recipe = read_recipe(settings.models_path, second.version, Model.USER_SEGMENTATION, SegmentManifest)
    again = train_segments(spark, settings, replace(SEGMENTS, promote="never", again=recipe), Stages())
    assert differing_files(recipe, again.written()) == []
    centres = KMeansModel.load(f"{trained.folder}/{MLLIB}").clusterCenters()
    assert len(centres) == len(second.segments)
    counts = {segment.cluster_id: segment.visitors for segment in second.segments}
    assert {one: [row["cluster_id"] for row in rows].count(one) for one in counts} == counts
    names = {segment.cluster_id: segment.name for segment in second.segments}
    assert all(row["segment"] == names[row["cluster_id"]] for row in rows)


def test_segments_of_fewer_clusters_are_compared_by_silhouette(spark: SparkSession, settings: Settings) -> None:
    good = train_segments(spark, settings, replace(SEGMENTS, promote="always"), Stages()).manifest
    assert good.evaluation is not None
    assert {name: one["silhouette"].value for name, one in good.evaluation.metrics.items()} == {
        f"{k} clusters": value for k, value in good.silhouette.items()
    }
    other = Plan("shop", SegmentParameters(least=2, most=2, iterations=5))
    trained = train_segments(spark, settings, other, Stages())
    comparison = trained.manifest.comparison
    assert comparison is not None
    assert comparison.metric == "silhouette"
    difference = trained.manifest.silhouette[2] - max(good.silhouette.values())
    assert comparison.difference.value == pytest.approx(difference)
    assert trained.decision.promoted is (comparison.difference.low >= 0)


def test_cards_say_what_the_models_are_and_show_it(spark: SparkSession, settings: Settings) -> None:
    said = sync(settings, [Model.TRANSACTION_PREDICTOR, Model.USER_SEGMENTATION])
    assert any(line.startswith(f"MLflow's champion of {Model.USER_SEGMENTATION} is ") for line in said)
    wanted = {
        Model.TRANSACTION_PREDICTOR: ("purchase", ["figures", "precision", "calibration"]),
        Model.USER_SEGMENTATION: ("segments", ["figures", "segments"]),
    }
    for name, (command, plots) in wanted.items():
        version = champion(settings.models_path, name)
        folder = Path(str(settings.models_path)) / name / str(version)
        text = (folder / "card.md").read_text()
        assert f"saran train {command} --from-manifest {version}" in text
        assert [f"![{plot}](card-{plot}.png)" in text for plot in plots] == [True] * len(plots)
        assert all((folder / f"card-{plot}.png").read_bytes().startswith(b"\x89PNG") for plot in plots)
    assert "| loyal buyer |" in text


def test_a_version_that_is_no_such_model_cannot_be_promoted(settings: Settings, tmp_path: Path) -> None:
    for name in (Model.TRANSACTION_PREDICTOR, Model.USER_SEGMENTATION):
        version = str(champion(settings.models_path, name))
        folder = tmp_path / name
        shutil.copytree(Path(str(settings.models_path)) / name / version, folder)
        facts = Facts.model_validate_json((folder / "manifest.json").read_bytes())
        check_version(folder, facts)
        # As another trainer would have written it, checksums and all.
        other = {"inputs": ["height"]}
        (folder / "manifest.json").write_text(facts.model_copy(update=other).model_dump_json())
        with pytest.raises(ModelError, match="inputs are height, not "):
            check_version(folder, facts)
        (folder / "manifest.json").write_text(facts.model_dump_json())
        with (folder / "model.onnx").open("r+b") as graph:
            graph.truncate(100)
        with pytest.raises(ModelError, match="differs from its checksum"):
            check_version(folder, facts)


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
