"""The job that trains the purchase predictors: silver in, ONNX graphs and gold.purchase_propensity out.

One knows three counts of a visitor: the API asks it. The other knows session features too, of the same visitors at the
same moments; the one with the higher PR-AUC on the validation part makes gold.purchase_propensity.

Visitors are parted by their moment: the first 60 % of the moments train, the next 20 % calibrate and choose (which
forest, from which probability on), the last 20 % test. A visitor whose label would reach into the next part is left
out, so no part knows what the next one is asked. What is served is what was tested, where that is no loss beside the
champion (`saran.spark.promotion`).

In the driver's memory: the features and a label a visitor.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from saran.core.errors import SaranError
from saran.core.model_folder import Comparison, Evaluation, Metric
from saran.core.names import Model, Table
from saran.core.settings import Settings
from saran.core.visitor_models import (
    PURCHASE_INPUTS,
    SESSION_INPUTS,
    PredictorManifest,
    SessionPredictor,
    load_predictor,
    write_graph,
)
from saran.spark import classifier_figures as judge
from saran.spark.forests import logits, read_forest
from saran.spark.gold import replace_rows, write_metrics
from saran.spark.onnx_graphs import predictor_graph
from saran.spark.promotion import Rival, compared, find_rival, promote
from saran.spark.purchase_forests import BOOSTED, FOREST, Ground, Grown, Part, grow, logistic, make_ground, vector
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
SESSIONS: Final = "sessions"
_TITLES: Final = {FOREST: "random forest", BOOSTED: "gradient-boosted trees"}
_SHARES: Final = (0.6, 0.8)
_LEAST_BUYERS: Final = 10
_DAY_MS: Final = 24 * 3_600_000


class _Outcome(NamedTuple):
    """What the test showed of the forests from some inputs, of which one is served."""

    algorithm: str
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
    ground = make_ground(spark, parts)
    with stages("train the forests"):
        counts = grow(ground, PURCHASE_INPUTS, plan.parameters, plan.seed)
        sessions = grow(ground, SESSION_INPUTS, plan.parameters, plan.seed) if plan.parameters.sessions else None
    with stages("evaluate"):
        outcome = _test(counts, ground, plan.seed)
        manifest = _manifest(plan, {Table.SILVER_EVENTS: silver.version()}, seen, parts, outcome)
        if sessions is not None:
            manifest = _with_sessions(manifest, sessions, _test(sessions, ground, plan.seed), counts, parts)
    rival = _rival(settings, manifest)
    if rival is not None:
        with stages("compare with the champion"):
            comparison = _comparison(rival, ground, outcome.chances, plan.seed)
        manifest = manifest.model_copy(update={"comparison": comparison})
    with stages("write the model"):
        if plan.mllib:
            save_mllib(settings, manifest, counts.best.model)
        graphs = [
            predictor_graph(read_forest(spark, settings, one.best.model), one.best.calibration, len(one.inputs))
            for one in (counts, sessions)
            if one is not None
        ]
        folder = write_graph(settings.models_path, manifest, graphs[0], _snapshot(parts), *graphs[1:])
        decision = promote(settings, manifest, rival, plan.promote)
    with stages("write gold"):
        if decision.promoted:
            rows = _propensity(purchase_inputs(events), counts, sessions, manifest)
            replace_rows(settings, Table.GOLD_PURCHASE_PROPENSITY, rows, manifest)
        write_metrics(settings, manifest, manifest.evaluation)
    for frame in (events, *ground.frames.values()):
        frame.unpersist()
    return Trained(folder, manifest, decision, stages.seconds)


def _parts(examples: pa.Table, seen: Facts, plan: Plan[PurchaseParameters]) -> dict[str, Part]:
    """Visitors by part. Those whose label the window cuts off are in none."""
    horizon = round(plan.parameters.horizon_days * _DAY_MS)
    moments = examples.column("moment_ms").to_numpy()
    # The order in which rows came from Spark is no part of the model.
    order = np.lexsort((examples.column("user_id").to_numpy(zero_copy_only=False), moments))
    moments = moments[order]
    features = np.column_stack([examples.column(name).to_numpy()[order] for name in SESSION_INPUTS])
    bought = examples.column("bought").to_numpy(zero_copy_only=False)[order]
    whole = moments + horizon <= (0 if seen.newest is None else round(seen.newest.timestamp() * 1000))
    cuts = np.quantile(moments[whole], _SHARES) if whole.any() else np.zeros(len(_SHARES))
    bounds = (-np.inf, *cuts, np.inf)
    parts = {}
    for name, start, end in zip(PARTS, bounds, bounds[1:], strict=False):
        inside = whole & (moments > start) & (moments + horizon <= end)
        parts[name] = Part(features[inside].astype(np.float32), bought[inside].astype(np.bool_))
        buyers = int(parts[name].bought.sum())
        if min(buyers, len(parts[name].bought) - buyers) < _LEAST_BUYERS:
            raise SaranError(
                f"in the {name} part of silver.events ({plan.window}) {buyers} of {len(parts[name].bought)} visitors "
                f"buy within {plan.parameters.horizon_days:g} days of their moment, and at least {_LEAST_BUYERS} must, "
                "and as many must not",
                fix="widen the window, load more events, or set another horizon_days",
            )
    return parts


def _rival(settings: Settings, manifest: PredictorManifest) -> Rival[PredictorManifest] | None:
    rival = find_rival(settings.models_path, manifest, lambda folder: load_predictor(folder).manifest)
    if rival is None or rival.recipe is None or rival.recipe.horizon_days == manifest.horizon_days:
        return rival
    return replace(rival, apart=f"foretells purchases within {rival.recipe.horizon_days:g} days")


def _comparison(
    rival: Rival[PredictorManifest], ground: Ground, chances: NDArray[np.float64], seed: int
) -> Comparison | None:
    """`chances` of the test visitors beside those of the champion's recipe; None where it cannot be asked the same."""
    if rival.recipe is None or rival.apart:
        return None
    if rival.same:
        return compared(rival, judge.PR_AUC, None, seed=seed)
    told = PurchaseParameters.of(rival.recipe.parameters)
    other = grow(ground, PURCHASE_INPUTS, told, rival.recipe.seed).best.test
    difference = judge.gain(ground.parts["test"].bought, chances, other, seed=seed)
    return compared(rival, judge.PR_AUC, difference, seed=seed)


def _test(grown: Grown, ground: Ground, seed: int) -> _Outcome:
    bought = ground.parts["test"].bought
    chances = {
        **{name: one.test for name, one in grown.judged.items()},
        LOGISTIC: logistic(ground, grown.inputs),
        CONSTANT: np.full(len(bought), ground.parts["train"].bought.mean()),
    }
    return _Outcome(
        f"{_TITLES[grown.served]} of Spark ML on weighted classes, calibrated by Platt's scaling",
        judge.best_threshold(ground.parts["validation"].bought, grown.best.validation),
        grown.best.test,
        {name: judge.figures(bought, given, seed=seed) for name, given in chances.items()},
    )


def _manifest(
    plan: Plan[PurchaseParameters], tables: dict[str, int], seen: Facts, parts: dict[str, Part], outcome: _Outcome
) -> PredictorManifest:
    test = parts["test"]
    return PredictorManifest(
        **version_facts(Model.TRANSACTION_PREDICTOR, plan, tables, seen),
        algorithm=outcome.algorithm,
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


def _with_sessions(
    manifest: PredictorManifest, sessions: Grown, outcome: _Outcome, counts: Grown, parts: dict[str, Part]
) -> PredictorManifest:
    """The manifest that also tells of the predictor from session features."""
    bought = parts["test"].bought
    told = SessionPredictor(
        inputs=SESSION_INPUTS,
        algorithm=outcome.algorithm,
        threshold=outcome.threshold,
        validation={"counts": counts.area, "sessions": sessions.area},
        calibration=judge.bins(bought, outcome.chances),
        confusion=judge.confusion(bought, outcome.chances, outcome.threshold),
    )
    more = {f"{SESSIONS}-{name}": figures for name, figures in outcome.metrics.items() if name != CONSTANT}
    measured = manifest.evaluation
    evaluation = measured.model_copy(update={"metrics": {**measured.metrics, **more}})
    return manifest.model_copy(update={"sessions": told, "evaluation": evaluation})


def _snapshot(parts: dict[str, Part]) -> pa.Table:
    """Columns of the inputs, bought and part; no visitor is named."""
    tables = []
    for name, part in parts.items():
        columns = {one: part.features[:, place] for place, one in enumerate(SESSION_INPUTS)}
        names = pa.repeat(pa.scalar(name), len(part.bought))
        tables.append(pa.table({**columns, "bought": part.bought, "part": names}))
    return pa.concat_tables(tables)


def _propensity(visitors: DataFrame, counts: Grown, sessions: Grown | None, manifest: PredictorManifest) -> pa.Table:
    """Columns user_id, the inputs, probability, predictor and will_transact, of every visitor at its last event.

    `predictor` is `sessions` or `counts`, the same for all.
    """
    told = manifest.sessions
    name, grown, threshold = "counts", counts, manifest.threshold
    if sessions is not None and told is not None and told.better:
        name, grown, threshold = SESSIONS, sessions, told.threshold
    judged, logit = logits(grown.best.model, visitors.withColumn("features", vector(grown.inputs)))
    chance = grown.best.calibration.column(logit).alias("probability")
    table = judged.select("user_id", *SESSION_INPUTS, chance, F.lit(name).alias("predictor")).toArrow()
    return table.append_column("will_transact", pc.greater_equal(table.column("probability"), threshold))
