"""Silhouettes by hand, and those of Spark's evaluator."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession

from saran.spark.silhouettes import silhouettes


def test_points_on_a_line_have_the_silhouettes_that_arithmetic_gives() -> None:
    # 0 and 1 are one cluster, 4 is alone: (16 - 1) / 16 and (9 - 1) / 9, and 0 for what has no neighbour.
    found = silhouettes(np.array([[0.0], [1.0], [4.0]]), np.array([7, 7, 3]))
    assert found == pytest.approx([15 / 16, 8 / 9, 0])


def test_one_cluster_is_no_clustering_and_equal_points_are_as_near_as_they_can_be() -> None:
    assert silhouettes(np.zeros((3, 2)), np.zeros(3, np.int64)).tolist() == [-1, -1, -1]
    assert silhouettes(np.zeros((4, 2)), np.array([0, 0, 1, 1])).tolist() == [0, 0, 0, 0]


@pytest.mark.spark
def test_their_mean_is_what_spark_says(spark: SparkSession) -> None:
    rng = np.random.default_rng(4)
    points, clusters = rng.normal(size=(60, 3)), rng.integers(0, 4, 60)
    points[:, 0] += 3 * clusters
    rows = [(Vectors.dense(point), int(one)) for point, one in zip(points.tolist(), clusters, strict=True)]
    said = ClusteringEvaluator().evaluate(spark.createDataFrame(rows, ["features", "prediction"]))
    assert silhouettes(points, clusters).mean() == pytest.approx(said, abs=1e-12)
