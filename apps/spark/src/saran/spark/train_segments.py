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
from pyspark.ml.functions import array_to_vector
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from saran.core.errors import SaranError
from saran.core.metrics import mean_with_interval
from saran.core.model_folder import Comparison, Evaluation
from saran.core.names import Model, Table
from saran.core.settings import Settings
from saran.core.versions import ModelError, champion, read_manifest, version_folder
from saran.core.visitor_models import SEGMENT_INPUTS, Segment, SegmentManifest, load_segmentation, write_graph
from saran.spark.gold import replace_rows, write_metrics
from saran.spark.onnx_graphs import segment_graph
from saran.spark.promotion import Rival, compared, find_rival, promote
from saran.spark.segment_names import matched_ids, names_of
from saran.spark.silhouettes import silhouettes
from saran.spark.stages import Stages
from saran.spark.tables import read_events
from saran.spark.trained import Trained
from saran.spark.training_data import Facts, event_facts
from saran.spark.visitor_examples import behaviour
from saran.spark.visitor_parameters import SegmentParameters
from saran.spark.visitor_training import Plan, save_mllib, version_facts

LOGGED: Final = np.array([name.startswith("total_") for name in SEGMENT_INPUTS])
"""Which inputs are counts, of which the logarithm of one more is taken."""

SILHOUETTE: Final = "silhouette"
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
        silver = plan.events(settings)
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
        sample = _sample(spark, inputs.take(pa.array(np.sort(drawn))), scaling, distinct)
        tried = sample.tried(parameters, plan.seed)
        silhouette = {k: float(found.mean()) for k, found in tried.items()}
        chosen = max(silhouette, key=lambda k: silhouette[k])
    with stages("train"):
        model = _fit(features, chosen, parameters, plan.seed)
        centres = np.array(model.clusterCenters())
        judged = model.transform(features).select(_PLACE, "prediction").toArrow().sort_by(_PLACE)
        clusters = judged.column("prediction").to_numpy().astype(np.int64)
    before = _before(settings, plan)
    ids = _ids(scaling.undone(centres), before, scaling)
    segments = _segments(scaling.undone(centres), ids, np.bincount(clusters, minlength=len(ids)))
    manifest = _manifest(plan, {Table.SILVER_EVENTS: silver.version()}, seen, segments, tried, before)
    rival = find_rival(settings.models_path, manifest, lambda folder: load_segmentation(folder).manifest)
    if rival is not None:
        with stages("compare with the champion"):
            comparison = _comparison(rival, sample, tried[chosen], plan.seed)
        manifest = manifest.model_copy(update={"comparison": comparison})
    with stages("write the model"):
        if plan.mllib:
            save_mllib(settings, manifest, model)
        graph = segment_graph(LOGGED, scaling.mean, scaling.scale, centres, ids)
        folder = write_graph(settings.models_path, manifest, graph, inputs)
        decision = promote(settings, manifest, rival, plan.promote)
    with stages("write gold"):
        if decision.promoted:
            replace_rows(settings, Table.GOLD_USER_SEGMENTS, _owned(visitors, ids[clusters], segments), manifest)
        write_metrics(settings, manifest, _evaluation(tried, plan.seed))
    for frame in (features, sample.rows):
        frame.unpersist()
    return Trained(folder, manifest, decision, stages.seconds)


def _owned(visitors: pa.Table, clusters: NDArray[np.int64], segments: list[Segment]) -> pa.Table:
    """The `visitors` with columns cluster_id and segment."""
    names = {segment.cluster_id: segment.name for segment in segments}
    rows = visitors.append_column("cluster_id", pa.array(clusters))
    return rows.append_column("segment", pa.array([names[one] for one in clusters.tolist()], pa.string()))


@dataclass(frozen=True)
class _Sample:
    """Drawn visitors, by whom numbers of clusters and recipes are judged."""

    rows: DataFrame
    points: NDArray[np.float64]
    """The same, scaled: (n, inputs)."""
    distinct: int
    """In how many ways all visitors behave."""

    def tried(self, parameters: SegmentParameters, seed: int) -> dict[int, NDArray[np.float64]]:
        """Number of clusters → the silhouette of each visitor, (n,)."""
        numbers = range(parameters.least, min(parameters.most, self.distinct) + 1)
        return {k: silhouettes(self.points, self._clusters(k, parameters, seed)) for k in numbers}

    def _clusters(self, k: int, parameters: SegmentParameters, seed: int) -> NDArray[np.int64]:
        judged = _fit(self.rows, k, parameters, seed).transform(self.rows)
        table = judged.select(_PLACE, "prediction").toArrow().sort_by(_PLACE)
        clusters: NDArray[np.int64] = table.column("prediction").to_numpy().astype(np.int64)
        return clusters


def _sample(spark: SparkSession, inputs: pa.Table, scaling: _Scaling, distinct: int) -> _Sample:
    return _Sample(_frame(spark, inputs, scaling).persist(), _scaled(_values(inputs), scaling), distinct)


def _comparison(
    rival: Rival[SegmentManifest], sample: _Sample, found: NDArray[np.float64], seed: int
) -> Comparison | None:
    """Silhouettes `found` of the drawn visitors beside those by the champion's recipe, on the same visitors."""
    if rival.recipe is None:
        return None
    if rival.same:
        return compared(rival, SILHOUETTE, None, seed=seed)
    theirs = sample.tried(SegmentParameters.of(rival.recipe.parameters), rival.recipe.seed).values()
    return compared(rival, SILHOUETTE, found - max(theirs, key=lambda one: float(one.mean())), seed=seed)


def _evaluation(tried: dict[int, NDArray[np.float64]], seed: int) -> Evaluation:
    return Evaluation(
        split=f"visitors drawn by seed {seed}, whom each number of clusters was fitted to",
        test_users=len(next(iter(tried.values()))),
        metrics={f"{k} clusters": {SILHOUETTE: mean_with_interval(found, seed=seed)} for k, found in tried.items()},
    )


def _frame(spark: SparkSession, inputs: pa.Table, scaling: _Scaling) -> DataFrame:
    """Rows of the inputs with their place and the scaled vector `features`."""
    # One partition: sums of several are added in any order, and the last bits of a centre would differ from run to run.
    rows = spark.createDataFrame(inputs.append_column(_PLACE, pa.array(np.arange(inputs.num_rows)))).coalesce(1)
    return rows.select(_PLACE, scaling.column())


def _double(name: str) -> Column:
    return F.col(name).cast("double")


def _values(inputs: pa.Table) -> NDArray[np.float64]:
    """The inputs as a matrix (n, inputs)."""
    return np.column_stack([inputs.column(name).to_numpy() for name in SEGMENT_INPUTS]).astype(np.float64)


def _scaling(inputs: pa.Table) -> _Scaling:
    values = _values(inputs)
    grown = np.where(LOGGED, np.log(np.where(LOGGED, values + 1.0, 1.0)), values)
    deviation = grown.std(axis=0)
    # What is the same for all tells nobody apart.
    return _Scaling(grown.mean(axis=0), 1.0 / np.where(deviation > 0, deviation, 1.0))


def _fit(features: DataFrame, k: int, parameters: SegmentParameters, seed: int) -> KMeansModel:
    return KMeans(k=k, seed=seed, maxIter=parameters.iterations).fit(features)


def _before(settings: Settings, plan: Plan[SegmentParameters]) -> SegmentManifest | None:
    """The version whose ids go on: the served one, or what the one that is made again went on from.

    None before the first, or where it can no longer be read.
    """
    again = plan.again
    version = (
        again.matched_with
        if isinstance(again, SegmentManifest)
        else champion(settings.models_path, Model.USER_SEGMENTATION)
    )
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
    tried: dict[int, NDArray[np.float64]],
    before: SegmentManifest | None,
) -> SegmentManifest:
    matched = None if before is None else before.version
    return SegmentManifest(
        **version_facts(Model.USER_SEGMENTATION, plan, tables, seen, matched_with=matched),
        algorithm="k-means of Spark ML on scaled behaviour",
        inputs=SEGMENT_INPUTS,
        segments=segments,
        silhouette={k: float(found.mean()) for k, found in tried.items()},
        matched_with=matched,
        evaluation=_evaluation(tried, plan.seed),
    )
