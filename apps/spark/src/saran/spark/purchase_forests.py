"""Forests that foretell purchases: fitted on one part of the visitors, calibrated and chosen on the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.ml.classification import GBTClassifier, LogisticRegression, RandomForestClassifier
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from saran.core.visitor_models import SESSION_INPUTS
from saran.spark import classifier_figures as judge
from saran.spark.calibration import Calibration, fit
from saran.spark.forests import SparkForest, logits
from saran.spark.visitor_parameters import PurchaseParameters

FOREST: Final = "forest"
BOOSTED: Final = "boosted"
_PLACE: Final = "place"


class Part(NamedTuple):
    """Visitors of a part: features (n, SESSION_INPUTS) float32 and labels (n,)."""

    features: NDArray[np.float32]
    bought: NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """A fitted forest with its calibration, and the chances that it gives to the validation and the test part."""

    model: SparkForest
    calibration: Calibration
    validation: NDArray[np.float64]
    test: NDArray[np.float64]


@dataclass(frozen=True)
class Grown:
    """The forests from some inputs, and which of them has the higher PR-AUC on the validation part."""

    inputs: Sequence[str]
    judged: Mapping[str, Judged]
    served: str
    area: float
    """That PR-AUC."""

    @property
    def best(self) -> Judged:
        """The one that is served."""
        return self.judged[self.served]


@dataclass(frozen=True)
class Ground:
    """The parts, as arrays and as Spark has them."""

    parts: Mapping[str, Part]
    frames: Mapping[str, DataFrame]

    def seen(self, part: str, vector: Column) -> DataFrame:
        """A part with its `features`."""
        return self.frames[part].withColumn("features", vector)


def make_ground(spark: SparkSession, parts: Mapping[str, Part]) -> Ground:
    """Hand the parts to Spark, which keeps them until they are unpersisted."""
    return Ground(parts, {name: _frame(spark, part).persist() for name, part in parts.items()})


def vector(inputs: Sequence[str]) -> Column:
    """The inputs as Spark ML takes them."""
    return array_to_vector(F.array(*(F.col(name).cast("double") for name in inputs)))


def grow(ground: Ground, inputs: Sequence[str], parameters: PurchaseParameters, seed: int) -> Grown:
    """The forests that the parameters ask for, and the one of them that the validation part chooses."""
    judged = {
        name: _judge(_fit(name, ground, inputs, parameters, seed), ground, inputs)
        for name in (FOREST, BOOSTED)
        if parameters.algorithm in {"best", name}
    }
    bought = ground.parts["validation"].bought
    areas = {name: judge.average_precision(bought, one.validation) for name, one in judged.items()}
    served = max(areas, key=areas.__getitem__)
    return Grown(inputs, judged, served, float(areas[served]))


def logistic(ground: Ground, inputs: Sequence[str]) -> NDArray[np.float64]:
    """Chances of the test part by a logistic regression on the logarithms of the inputs."""
    logged = array_to_vector(F.array(*(F.log1p(F.col(name).cast("double")) for name in inputs)))
    model = LogisticRegression().fit(ground.seen("train", logged))
    return _collect(model.transform(ground.seen("test", logged)), vector_to_array(F.col("probability"))[1])


def _frame(spark: SparkSession, part: Part) -> DataFrame:
    columns = {name: part.features[:, place] for place, name in enumerate(SESSION_INPUTS)}
    table = pa.table({_PLACE: np.arange(len(part.bought)), **columns, "label": part.bought.astype(np.float64)})
    # One partition: sums of several are added in any order, and the last bits of a split would differ from run to run.
    return spark.createDataFrame(table).coalesce(1)


def _fit(name: str, ground: Ground, inputs: Sequence[str], parameters: PurchaseParameters, seed: int) -> SparkForest:
    """A forest on classes of equal weight: visitors who buy are few, and would not be split for otherwise."""
    share = float(ground.parts["train"].bought.mean())
    weight = F.when(F.col("label") > 0, 0.5 / share).otherwise(0.5 / (1 - share))
    forest: RandomForestClassifier | GBTClassifier = (
        RandomForestClassifier(numTrees=parameters.trees, maxDepth=parameters.depth)
        if name == FOREST
        else GBTClassifier(maxIter=parameters.boosted_trees, maxDepth=parameters.boosted_depth)
    )
    forest.setWeightCol("weight").setSeed(seed).setMinInstancesPerNode(parameters.least_leaf)
    model: SparkForest = forest.fit(ground.seen("train", vector(inputs)).withColumn("weight", weight))
    return model


def _judge(model: SparkForest, ground: Ground, inputs: Sequence[str]) -> Judged:
    scores = {name: _collect(*logits(model, ground.seen(name, vector(inputs)))) for name in ("validation", "test")}
    calibration = fit(scores["validation"], ground.parts["validation"].bought)
    return Judged(model, calibration, *(calibration.probabilities(given) for given in scores.values()))


def _collect(rows: DataFrame, value: Column) -> NDArray[np.float64]:
    """A value of each row, in the order of the part."""
    table = rows.select(_PLACE, value.alias("value")).toArrow().sort_by(_PLACE)
    values: NDArray[np.float64] = table.column("value").to_numpy()
    return values
