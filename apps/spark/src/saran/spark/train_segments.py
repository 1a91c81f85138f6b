"""The job that trains the segmentation: silver in, an ONNX graph and gold.user_segments out.

k-means on scaled behaviour: counts by their logarithms, everything to mean 0 and deviation 1. The number of clusters is
the one with the best silhouette (Rousseeuw, 1987) within a range. A cluster takes the id of the cluster of the served
version whose centre is nearest, so an id means the same visitors from version to version.

In the driver's memory: the id and seven features of each visitor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.ml.clustering import KMeans, KMeansModel
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.functions import array_to_vector
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from saran.core.errors import SaranError
from saran.core.names import Model, Table
from saran.core.settings import Settings
from saran.core.versions import ModelError, champion, read_manifest, version_folder
from saran.core.visitor_models import SEGMENT_INPUTS, Segment, SegmentManifest, write_graph
from saran.spark.gold import replace_rows
from saran.spark.onnx_graphs import segment_graph
from saran.spark.publish import publish
from saran.spark.segment_names import matched_ids, names_of
from saran.spark.stages import Stages
from saran.spark.tables import read_events, silver_events
from saran.spark.training_data import Facts, event_facts
from saran.spark.visitor_examples import behaviour
from saran.spark.visitor_parameters import SegmentParameters
from saran.spark.visitor_training import Plan, Trained, save_mllib, version_facts

LOGGED: Final = np.array([name.startswith("total_") for name in SEGMENT_INPUTS])
"""Which inputs are counts, of which the logarithm of one more is taken."""

_PLACE: Final = "place"


@dataclass(frozen=True)
class _Scaling:
    """x becomes (x - mean) × scale, after the logarithm of counts; shapes (inputs,)."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    def column(self) -> Column:
        """The same in Spark, as the vector `features`."""
        values = (
            (F.log(_double(name) + F.lit(1.0)) if logged else _double(name))
            for name, logged in zip(SEGMENT_INPUTS, LOGGED, strict=True)
        )
        scaled = (
            (value - F.lit(mean)) * F.lit(scale)
            for value, mean, scale in zip(values, self.mean.tolist(), self.scale.tolist(), strict=True)
        )
        return array_to_vector(F.array(*scaled)).alias("features")

    def undone(self, centres: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scaled centres (k, inputs) in plain figures."""
        values: NDArray[np.float64] = centres / self.scale + self.mean
        # Nothing that is counted is below 0, but for the last bits.
        return np.maximum(np.where(LOGGED, np.expm1(values), values), 0.0)


def train_segments(
    spark: SparkSession, settings: Settings, plan: Plan[SegmentParameters], stages: Stages
) -> Trained[SegmentManifest]:
    """Run the job. Raises SaranError, naming the fix, when there are fewer visitors than clusters to try."""
    parameters = plan.parameters
    with stages("read silver"):
        silver = silver_events(settings)
        events = read_events(spark, silver, plan.window).persist()
        seen = event_facts(events)
        # In an order of its own: where k-means begins depends on which rows stand in which partition.
        visitors = behaviour(events).toArrow().sort_by("user_id")
        events.unpersist()
        inputs = visitors.select(list(SEGMENT_INPUTS))
        distinct = inputs.group_by(list(SEGMENT_INPUTS)).aggregate([]).num_rows
        if distinct < parameters.least:
            raise SaranError(
                f"the visitors of silver.events ({plan.window}) behave in {distinct} ways, and {parameters.least} "
                "clusters are the fewest to try",
                fix="load events first (`saran load`), widen the window, or set least=2",
            )
        scaling = _scaling(inputs)
        features = _frame(spark, inputs, scaling).persist()
    with stages("choose the clusters"):
        drawn = np.random.default_rng(plan.seed).permutation(inputs.num_rows)[: parameters.sample]
        sampled = _frame(spark, inputs.take(pa.array(np.sort(drawn))), scaling).persist()
        tried = range(parameters.least, min(parameters.most, distinct) + 1)
        silhouette = {k: _silhouette(sampled, k, plan) for k in tried}
        chosen = max(silhouette, key=lambda k: silhouette[k])
    with stages("train"):
        model = _fit(features, chosen, plan)
        centres = np.array(model.clusterCenters())
        judged = model.transform(features).select(_PLACE, "prediction").toArrow().sort_by(_PLACE)
        clusters = judged.column("prediction").to_numpy().astype(np.int64)
    before = _before(settings)
    ids = _ids(scaling.undone(centres), before, scaling)
    segments = _segments(scaling.undone(centres), ids, np.bincount(clusters, minlength=len(ids)))
    manifest = _manifest(plan, {Table.SILVER_EVENTS: silver.version()}, seen, segments, silhouette, before)
    with stages("write the model"):
        if plan.mllib:
            save_mllib(settings, manifest, model)
        graph = segment_graph(LOGGED, scaling.mean, scaling.scale, centres, ids)
        folder = write_graph(settings.models_path, manifest, graph, inputs)
        publish(settings, manifest)
    with stages("write gold"):
        names = {segment.cluster_id: segment.name for segment in segments}
        owned = ids[clusters]
        rows = visitors.append_column("cluster_id", pa.array(owned))
        rows = rows.append_column("segment", pa.array([names[one] for one in owned.tolist()], pa.string()))
        replace_rows(settings, Table.GOLD_USER_SEGMENTS, rows, manifest)
    for frame in (features, sampled):
        frame.unpersist()
    return Trained(folder, manifest, stages.seconds)


def _frame(spark: SparkSession, inputs: pa.Table, scaling: _Scaling) -> DataFrame:
    """Rows of the inputs with their place and the scaled vector `features`."""
    rows = spark.createDataFrame(inputs.append_column(_PLACE, pa.array(np.arange(inputs.num_rows))))
    return rows.select(_PLACE, scaling.column())


def _double(name: str) -> Column:
    return F.col(name).cast("double")


def _scaling(inputs: pa.Table) -> _Scaling:
    values = np.column_stack([inputs.column(name).to_numpy() for name in SEGMENT_INPUTS]).astype(np.float64)
    grown = np.where(LOGGED, np.log(np.where(LOGGED, values + 1.0, 1.0)), values)
    deviation = grown.std(axis=0)
    # What is the same for all tells nobody apart.
    return _Scaling(grown.mean(axis=0), 1.0 / np.where(deviation > 0, deviation, 1.0))


def _fit(features: DataFrame, k: int, plan: Plan[SegmentParameters]) -> KMeansModel:
    return KMeans(k=k, seed=plan.seed, maxIter=plan.parameters.iterations).fit(features)


def _silhouette(sampled: DataFrame, k: int, plan: Plan[SegmentParameters]) -> float:
    """Of k clusters, -1 where they cannot be told apart."""
    judged = _fit(sampled, k, plan).transform(sampled)
    if judged.select("prediction").distinct().count() < 2:
        return -1.0
    return float(ClusteringEvaluator().evaluate(judged))


def _before(settings: Settings) -> SegmentManifest | None:
    """The served version, whose ids go on; None before the first, or where it can no longer be read."""
    version = champion(settings.models_path, Model.USER_SEGMENTATION)
    if version is None:
        return None
    try:
        return read_manifest(version_folder(settings.models_path, Model.USER_SEGMENTATION, version), SegmentManifest)
    except ModelError:
        return None


def _ids(centres: NDArray[np.float64], before: SegmentManifest | None, scaling: _Scaling) -> NDArray[np.int64]:
    """An id for each of the plain `centres` (k, inputs)."""
    known = [] if before is None else before.segments
    old = np.array([[segment.centre[name] for name in SEGMENT_INPUTS] for segment in known]).reshape(
        -1, len(SEGMENT_INPUTS)
    )
    return matched_ids(_scaled(centres, scaling), _scaled(old, scaling), [segment.cluster_id for segment in known])


def _scaled(centres: NDArray[np.float64], scaling: _Scaling) -> NDArray[np.float64]:
    values = np.where(LOGGED, np.log1p(np.where(LOGGED, centres, 0.0)), centres)
    scaled: NDArray[np.float64] = (values - scaling.mean) * scaling.scale
    return scaled


def _segments(centres: NDArray[np.float64], ids: NDArray[np.int64], visitors: NDArray[np.int64]) -> list[Segment]:
    plain = [dict(zip(SEGMENT_INPUTS, centre.tolist(), strict=True)) for centre in centres]
    made = [
        Segment(cluster_id=number, name=name, visitors=count, centre=centre)
        for number, name, count, centre in zip(ids.tolist(), names_of(plain), visitors.tolist(), plain, strict=True)
    ]
    return sorted(made, key=lambda segment: segment.cluster_id)


def _manifest(
    plan: Plan[SegmentParameters],
    tables: dict[str, int],
    seen: Facts,
    segments: list[Segment],
    silhouette: dict[int, float],
    before: SegmentManifest | None,
) -> SegmentManifest:
    matched = None if before is None else before.version
    return SegmentManifest(
        **version_facts(Model.USER_SEGMENTATION, plan, tables, seen, matched_with=matched),
        algorithm="k-means of Spark ML on scaled behaviour",
        inputs=SEGMENT_INPUTS,
        segments=segments,
        silhouette=silhouette,
        matched_with=matched,
    )
