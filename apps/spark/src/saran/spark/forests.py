"""Spark ML's forests, and what stands in them: its trees as Python objects."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark.ml.classification import GBTClassificationModel, RandomForestClassificationModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from saran.core.names import Bucket
from saran.core.s3 import remove_folder
from saran.core.settings import Settings
from saran.spark.calibration import CLIP

SparkForest = RandomForestClassificationModel | GBTClassificationModel


class Node(NamedTuple):
    """An inner node, whose `left` has the rows with feature <= threshold, or a leaf, without children."""

    value: float
    """What a leaf adds to the forest's sum."""
    feature: int
    threshold: float
    left: Node | None
    right: Node | None


class Forest(NamedTuple):
    """Trees whose leaves are summed: to the share of votes for a purchase, or (boosted) to half its logit."""

    trees: list[Node]
    votes: bool


def read_forest(spark: SparkSession, settings: Settings, model: SparkForest) -> Forest:
    """The trees of a fitted model, by way of the files that Spark itself saves it in."""
    votes = isinstance(model, RandomForestClassificationModel)
    folder = settings.locate(settings.bucket(Bucket.CHECKPOINTS)) / f"forest-{uuid.uuid4().hex}"
    try:
        model.write().save(str(folder))
        rows = spark.read.parquet(f"{folder}/data").select("treeID", "nodeData.*").toArrow()
    finally:
        remove_folder(folder)
    weights = [1.0 / model.getNumTrees] * model.getNumTrees if votes else model.treeWeights
    return Forest(_trees(rows, weights, votes=votes), votes)


def logits(model: SparkForest, rows: DataFrame) -> tuple[DataFrame, Column]:
    """`rows` (with the vector `features`) as the model judges them, and the column that is the score's logit."""
    judged = model.transform(rows)
    if isinstance(model, GBTClassificationModel):
        return judged, F.lit(2.0) * vector_to_array(F.col("rawPrediction"))[1]
    share = F.least(F.greatest(vector_to_array(F.col("probability"))[1], F.lit(CLIP)), F.lit(1 - CLIP))
    return judged, F.log(share / (F.lit(1.0) - share))


def _trees(rows: pa.Table, weights: list[float], *, votes: bool) -> list[Node]:
    nodes: dict[tuple[int, int], dict[str, Any]] = {(row["treeID"], row["id"]): row for row in rows.to_pylist()}

    def build(tree: int, number: int) -> Node:
        row = nodes[tree, number]
        if row["leftChild"] == -1:
            return Node(
                weights[tree] * (_share(row["impurityStats"]) if votes else row["prediction"]), 0, 0.0, None, None
            )
        split = row["split"]
        return Node(
            0.0,
            split["featureIndex"],
            split["leftCategoriesOrThreshold"][0],
            build(tree, row["leftChild"]),
            build(tree, row["rightChild"]),
        )

    return [build(tree, 0) for tree in range(len(weights))]


def _share(stats: list[float]) -> float:
    """Of a leaf's training rows, by weight, that are of class 1."""
    others, ones = stats
    return ones / (others + ones)
