"""The job that trains the purchase predictor: silver in, an ONNX graph and gold.purchase_propensity out.

Visitors are parted by their moment: the first 60 % of the moments train, the next 20 % calibrate and choose (which
forest, from which probability on), the last 20 % test. A visitor whose label would reach into the next part is left
out, so no part knows what the next one is asked. What is served is what was tested, where that is no loss beside the
champion (`saran.spark.promotion`).

In the driver's memory: three features and a label a visitor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.ml.classification import GBTClassifier, LogisticRegression, RandomForestClassifier
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from saran.core.errors import SaranError
from saran.core.model_folder import Comparison, Evaluation, Metric
from saran.core.names import Model, Table
from saran.core.settings import Settings
from saran.core.visitor_models import PURCHASE_INPUTS, PredictorManifest, load_predictor, write_graph
from saran.spark import classifier_figures as judge
from saran.spark.calibration import Calibration, fit
from saran.spark.forests import SparkForest, logits, read_forest
from saran.spark.gold import replace_rows, write_metrics
from saran.spark.onnx_graphs import predictor_graph
from saran.spark.promotion import Rival, compared, find_rival, promote
from saran.spark.stages import Stages
from saran.spark.tables import read_events
from saran.spark.trained import Trained
from saran.spark.training_data import Facts, event_facts
from saran.spark.visitor_examples import purchase_examples, purchase_inputs
from saran.spark.visitor_parameters import PurchaseParameters
from saran.spark.visitor_training import Plan, save_mllib, version_facts

PARTS: Final = ("train", "validation", "test")
CONSTANT: Final = "constant"
LOGISTIC: Final = "logistic"
FOREST: Final = "forest"
BOOSTED: Final = "boosted"
_TITLES: Final = {FOREST: "random forest", BOOSTED: "gradient-boosted trees"}
_SHARES: Final = (0.6, 0.8)
_LEAST_BUYERS: Final = 10
_DAY_MS: Final = 24 * 3_600_000
_PLACE: Final = "place"


class _Part(NamedTuple):
    """Visitors of a part: features (n, inputs) float32 and labels (n,)."""

    features: NDArray[np.float32]
    bought: NDArray[np.bool_]


@dataclass(frozen=True)
class _Judged:
    """A fitted forest with its calibration, and the chances that it gives to the validation and the test part."""

    model: SparkForest
    calibration: Calibration
    validation: NDArray[np.float64]
    test: NDArray[np.float64]


class _Outcome(NamedTuple):
    """What the test showed of the forest that is served."""

    served: str
    threshold: float
    chances: NDArray[np.float64]
    metrics: dict[str, dict[str, Metric]]


def train_purchase(
    spark: SparkSession, settings: Settings, plan: Plan[PurchaseParameters], stages: Stages
) -> Trained[PredictorManifest]:
    """Run the job. Raises SaranError, naming the fix, when a part has too few visitors who buy or who do not."""
    with stages("read silver"):
        silver = plan.events(settings)
        events = read_events(spark, silver, plan.window).persist()
        seen = event_facts(events)
        examples = purchase_examples(events, horizon_days=plan.parameters.horizon_days, seed=plan.seed)
        parts = _parts(examples.toArrow(), seen, plan)
    frames = {name: _frame(spark, part).persist() for name, part in parts.items()}
    with stages("train the forests"):
        judged, served = _trained(frames, parts, plan.parameters, plan.seed)
    best = judged[served]
    with stages("evaluate"):
        outcome = _test(served, judged, frames, parts, plan.seed)
    manifest = _manifest(plan, {Table.SILVER_EVENTS: silver.version()}, seen, parts, outcome)
    rival = _rival(settings, manifest)
    if rival is not None:
        with stages("compare with the champion"):
            comparison = _comparison(rival, frames, parts, outcome.chances, plan.seed)
        manifest = manifest.model_copy(update={"comparison": comparison})
    with stages("write the model"):
        if plan.mllib:
            save_mllib(settings, manifest, best.model)
        graph = predictor_graph(read_forest(spark, settings, best.model), best.calibration, len(PURCHASE_INPUTS))
        folder = write_graph(settings.models_path, manifest, graph, _snapshot(parts))
        decision = promote(settings, manifest, rival, plan.promote)
    with stages("write gold"):
        if decision.promoted:
            rows = _propensity(purchase_inputs(events), best, outcome.threshold)
            replace_rows(settings, Table.GOLD_PURCHASE_PROPENSITY, rows, manifest)
        write_metrics(settings, manifest, manifest.evaluation)
    for frame in (events, *frames.values()):
        frame.unpersist()
    return Trained(folder, manifest, decision, stages.seconds)


def _parts(examples: pa.Table, seen: Facts, plan: Plan[PurchaseParameters]) -> dict[str, _Part]:
    """Visitors by part. Those whose label the window cuts off are in none."""
    horizon = round(plan.parameters.horizon_days * _DAY_MS)
    moments = examples.column("moment_ms").to_numpy()
    # The order in which rows came from Spark is no part of the model.
    order = np.lexsort((examples.column("user_id").to_numpy(zero_copy_only=False), moments))
    moments = moments[order]
    features = np.column_stack([examples.column(name).to_numpy()[order] for name in PURCHASE_INPUTS])
    bought = examples.column("bought").to_numpy(zero_copy_only=False)[order]
    whole = moments + horizon <= (0 if seen.newest is None else round(seen.newest.timestamp() * 1000))
    cuts = np.quantile(moments[whole], _SHARES) if whole.any() else np.zeros(len(_SHARES))
    bounds = (-np.inf, *cuts, np.inf)
    parts = {}
    for name, start, end in zip(PARTS, bounds, bounds[1:], strict=False):
        inside = whole & (moments > start) & (moments + horizon <= end)
        parts[name] = _Part(features[inside].astype(np.float32), bought[inside].astype(np.bool_))
        buyers = int(parts[name].bought.sum())
        if min(buyers, len(parts[name].bought) - buyers) < _LEAST_BUYERS:
            raise SaranError(
                f"in the {name} part of silver.events ({plan.window}) {buyers} of {len(parts[name].bought)} visitors "
                f"buy within {plan.parameters.horizon_days:g} days of their moment, and at least {_LEAST_BUYERS} must, "
                "and as many must not",
                fix="widen the window, load more events, or set another horizon_days",
            )
    return parts


def _frame(spark: SparkSession, part: _Part) -> DataFrame:
    columns = {name: part.features[:, place] for place, name in enumerate(PURCHASE_INPUTS)}
    table = pa.table({_PLACE: np.arange(len(part.bought)), **columns, "label": part.bought.astype(np.float64)})
    # One partition: sums of several are added in any order, and the last bits of a split would differ from run to run.
    return spark.createDataFrame(table).coalesce(1).withColumn("features", _vector())


def _vector() -> Column:
    return array_to_vector(F.array(*(F.col(name).cast("double") for name in PURCHASE_INPUTS)))


def _trained(
    frames: dict[str, DataFrame], parts: dict[str, _Part], parameters: PurchaseParameters, seed: int
) -> tuple[dict[str, _Judged], str]:
    """The forests that the parameters ask for, and the one of them that the validation part chooses."""
    judged = {
        name: _judge(_fit(name, frames["train"], parts["train"], parameters, seed), frames, parts)
        for name in (FOREST, BOOSTED)
        if parameters.algorithm in {"best", name}
    }
    bought = parts["validation"].bought
    return judged, max(judged, key=lambda name: judge.average_precision(bought, judged[name].validation))


def _rival(settings: Settings, manifest: PredictorManifest) -> Rival[PredictorManifest] | None:
    rival = find_rival(settings.models_path, manifest, lambda folder: load_predictor(folder).manifest)
    if rival is None or rival.recipe is None or rival.recipe.horizon_days == manifest.horizon_days:
        return rival
    return replace(rival, apart=f"foretells purchases within {rival.recipe.horizon_days:g} days")


def _comparison(
    rival: Rival[PredictorManifest],
    frames: dict[str, DataFrame],
    parts: dict[str, _Part],
    chances: NDArray[np.float64],
    seed: int,
) -> Comparison | None:
    """`chances` of the test visitors beside those of the champion's recipe; None where it cannot be asked the same."""
    if rival.recipe is None or rival.apart:
        return None
    if rival.same:
        return compared(rival, judge.PR_AUC, None, seed=seed)
    told = PurchaseParameters.of(rival.recipe.parameters)
    judged, served = _trained(frames, parts, told, rival.recipe.seed)
    difference = judge.gain(parts["test"].bought, chances, judged[served].test, seed=seed)
    return compared(rival, judge.PR_AUC, difference, seed=seed)


def _fit(name: str, rows: DataFrame, part: _Part, parameters: PurchaseParameters, seed: int) -> SparkForest:
    """A forest on classes of equal weight: visitors who buy are few, and would not be split for otherwise."""
    share = float(part.bought.mean())
    weighted = rows.withColumn("weight", F.when(F.col("label") > 0, 0.5 / share).otherwise(0.5 / (1 - share)))
    forest: RandomForestClassifier | GBTClassifier = (
        RandomForestClassifier(numTrees=parameters.trees, maxDepth=parameters.depth)
        if name == FOREST
        else GBTClassifier(maxIter=parameters.boosted_trees, maxDepth=parameters.boosted_depth)
    )
    forest.setWeightCol("weight").setSeed(seed).setMinInstancesPerNode(parameters.least_leaf)
    model: SparkForest = forest.fit(weighted)
    return model


def _judge(model: SparkForest, frames: dict[str, DataFrame], parts: dict[str, _Part]) -> _Judged:
    scores = {name: _collect(*logits(model, frames[name])) for name in ("validation", "test")}
    calibration = fit(scores["validation"], parts["validation"].bought)
    return _Judged(model, calibration, *(calibration.probabilities(given) for given in scores.values()))


def _logistic(frames: dict[str, DataFrame]) -> NDArray[np.float64]:
    """Chances of the test part by a logistic regression on the logarithms of the inputs."""
    logged = array_to_vector(F.array(*(F.log1p(F.col(name).cast("double")) for name in PURCHASE_INPUTS)))
    train, test = (frames[name].withColumn("features", logged) for name in ("train", "test"))
    return _collect(LogisticRegression().fit(train).transform(test), vector_to_array(F.col("probability"))[1])


def _collect(rows: DataFrame, value: Column) -> NDArray[np.float64]:
    """A value of each row, in the order of the part."""
    table = rows.select(_PLACE, value.alias("value")).toArrow().sort_by(_PLACE)
    values: NDArray[np.float64] = table.column("value").to_numpy()
    return values


def _test(
    served: str, judged: dict[str, _Judged], frames: dict[str, DataFrame], parts: dict[str, _Part], seed: int
) -> _Outcome:
    bought = parts["test"].bought
    chances = {
        **{name: one.test for name, one in judged.items()},
        LOGISTIC: _logistic(frames),
        CONSTANT: np.full(len(bought), parts["train"].bought.mean()),
    }
    threshold = judge.best_threshold(parts["validation"].bought, judged[served].validation)
    metrics = {name: judge.figures(bought, given, seed=seed) for name, given in chances.items()}
    return _Outcome(served, threshold, chances[served], metrics)


def _manifest(
    plan: Plan[PurchaseParameters], tables: dict[str, int], seen: Facts, parts: dict[str, _Part], outcome: _Outcome
) -> PredictorManifest:
    test = parts["test"]
    return PredictorManifest(
        **version_facts(Model.TRANSACTION_PREDICTOR, plan, tables, seen),
        algorithm=f"{_TITLES[outcome.served]} of Spark ML on weighted classes, calibrated by Platt's scaling",
        inputs=PURCHASE_INPUTS,
        horizon_days=plan.parameters.horizon_days,
        threshold=outcome.threshold,
        examples={name: len(part.bought) for name, part in parts.items()},
        buyers={name: int(part.bought.sum()) for name, part in parts.items()},
        evaluation=Evaluation(
            split=(
                f"visitors by the time of one of their events, drawn by seed {plan.seed}: the first 60 % train, the "
                "next 20 % calibrate and choose, the last 20 % test; visitors whose label reaches into the next part "
                "are left out"
            ),
            test_users=len(test.bought),
            metrics=outcome.metrics,
        ),
        calibration=judge.bins(test.bought, outcome.chances),
        confusion=judge.confusion(test.bought, outcome.chances, outcome.threshold),
    )


def _snapshot(parts: dict[str, _Part]) -> pa.Table:
    """Columns of the inputs, bought and part; no visitor is named."""
    tables = []
    for name, part in parts.items():
        columns = {one: part.features[:, place] for place, one in enumerate(PURCHASE_INPUTS)}
        names = pa.repeat(pa.scalar(name), len(part.bought))
        tables.append(pa.table({**columns, "bought": part.bought, "part": names}))
    return pa.concat_tables(tables)


def _propensity(visitors: DataFrame, best: _Judged, threshold: float) -> pa.Table:
    """Columns user_id, the inputs, probability and will_transact, of every visitor of the window as of its end."""
    judged, logit = logits(best.model, visitors.withColumn("features", _vector()))
    chance = best.calibration.column(logit).alias("probability")
    table = judged.select("user_id", *PURCHASE_INPUTS, chance).toArrow()
    return table.append_column("will_transact", pc.greater_equal(table.column("probability"), threshold))
