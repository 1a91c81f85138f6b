"""onnxruntime answers what Spark answers: probabilities and clusters of 10,000 rows, many of them on thresholds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyspark.ml.classification import GBTClassifier, RandomForestClassifier
from pyspark.ml.clustering import KMeans
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from saran.core.settings import Settings
from saran.core.visitor_models import INPUT, PURCHASE_INPUTS, SESSION_INPUTS, open_graph
from saran.spark.calibration import Calibration
from saran.spark.forests import Forest, Node, SparkForest, logits, read_forest
from saran.spark.onnx_graphs import predictor_graph, segment_graph

ROWS = 10_000
CALIBRATION = Calibration(0.8, -1.3)


def _frame(spark: SparkSession, features: NDArray[np.float32], label: NDArray[np.float64] | None = None) -> DataFrame:
    columns = {f"f{place}": features[:, place] for place in range(features.shape[1])}
    table = pa.table({"row": np.arange(len(features)), **columns, **({} if label is None else {"label": label})})
    wide = F.array(*(F.col(name).cast("double") for name in columns))
    return spark.createDataFrame(table).withColumn("features", array_to_vector(wide))


def _answers(graph: bytes, features: NDArray[np.float32]) -> NDArray[np.float64]:
    answer: NDArray[np.float64] = open_graph(graph).run(None, {INPUT: features})[0]
    return answer


def _thresholds(node: Node) -> list[tuple[int, float]]:
    if node.left is None or node.right is None:
        return []
    return [(node.feature, node.threshold), *_thresholds(node.left), *_thresholds(node.right)]


@pytest.mark.spark
@pytest.mark.parametrize(("kind", "inputs"), [("forest", PURCHASE_INPUTS), ("boosted", SESSION_INPUTS)])
def test_probabilities_equal_sparks(spark: SparkSession, tmp_path: Path, kind: str, inputs: tuple[str, ...]) -> None:
    rng = np.random.default_rng(7)
    features = rng.lognormal(1.0, 1.0, (1500, len(inputs))).astype(np.float32)
    label = (rng.random(1500) < 1 / (1 + np.exp(3 - features[:, 0] + features[:, 1] / 2))).astype(np.float64)
    known = _frame(spark, features, label)
    model: SparkForest = (
        RandomForestClassifier(numTrees=6, maxDepth=5, seed=1).fit(known)
        if kind == "forest"
        else GBTClassifier(maxIter=5, maxDepth=3, seed=1).fit(known)
    )
    forest = read_forest(spark, Settings(home=tmp_path), model)
    asked = rng.lognormal(1.0, 1.0, (ROWS, len(inputs))).astype(np.float32)
    on = [pair for tree in forest.trees for pair in _thresholds(tree)]
    places = rng.integers(0, len(on), ROWS // 2)
    for row, place in enumerate(places):
        feature, threshold = on[place]
        # The nearest float32 to a threshold, on it or just beside it.
        asked[row, feature] = np.float32(threshold)
    exact = sum(float(asked[row, on[place][0]]) == on[place][1] for row, place in enumerate(places))
    assert exact > 50, "some rows are exactly on a threshold"

    judged, logit = logits(model, _frame(spark, asked))
    spark_says = judged.select("row", CALIBRATION.column(logit).alias("p")).toArrow().sort_by("row").column("p")
    graph = predictor_graph(forest, CALIBRATION, len(inputs))
    assert np.abs(_answers(graph, asked) - spark_says.to_numpy()).max() < 1e-12
    # The forest itself is Spark's too: not only what calibration leaves of it.
    assert len(np.unique(_answers(graph, asked).round(6))) > 20


@pytest.mark.spark
def test_clusters_equal_sparks(spark: SparkSession) -> None:
    rng = np.random.default_rng(5)
    asked = rng.lognormal(0.5, 1.0, (ROWS, 3)).astype(np.float32)
    asked[: ROWS // 2] = np.floor(asked[: ROWS // 2])
    logged, mean, scale = np.array([True, True, False]), np.array([0.5, 1.0, 2.0]), np.array([1.5, 0.7, 0.1])
    values = [
        F.log(F.element_at("wide", place + 1) + F.lit(float(logged[place])))
        if logged[place]
        else F.element_at("wide", place + 1)
        for place in range(3)
    ]
    scaled = [(value - F.lit(mean[place].item())) * F.lit(scale[place].item()) for place, value in enumerate(values)]
    wide = F.array(*(F.col(f"f{place}").cast("double") for place in range(3)))
    rows = _frame(spark, asked).withColumn("wide", wide).withColumn("features", array_to_vector(F.array(*scaled)))
    model = KMeans(k=5, seed=1, maxIter=10).fit(rows)
    says = model.transform(rows).select("row", "prediction").toArrow().sort_by("row").column("prediction").to_numpy()
    ids = np.array([7, 3, 0, 12, 5])
    graph = segment_graph(logged, mean, scale, np.array(model.clusterCenters()), ids)
    assert np.array_equal(_answers(graph, asked), ids[says])
    assert len(np.unique(says)) == 5


def test_a_tree_is_what_arithmetic_demands() -> None:
    """0.1 in float32 is above 0.1 in double, 2.5 is on its threshold; a tree of one leaf adds its value."""
    leaf = [Node(value, 0, 0.0, None, None) for value in (0.1, 0.2, 0.3, 0.05)]
    forest = Forest([Node(0.0, 0, 2.5, leaf[0], Node(0.0, 1, 0.1, leaf[1], leaf[2])), leaf[3]], votes=True)
    asked = np.array([[2.5, 0.0], [2.6, 0.0], [2.6, 0.1]], dtype=np.float32)
    said = _answers(predictor_graph(forest, Calibration(1.0, 0.0), 2), asked)
    assert said == pytest.approx([0.15, 0.25, 0.35], abs=1e-15)

    boosted = Forest([leaf[3]], votes=False)
    said = _answers(predictor_graph(boosted, Calibration(2.0, 0.5), 2), asked[:1])
    assert said == pytest.approx([1 / (1 + np.exp(-0.7))], abs=1e-15)
