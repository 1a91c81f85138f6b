"""The job that trains the recommender: silver in, a model version out.

It reads silver.events and silver.items at the versions that the manifest names, measures ALS, popularity and the
champion's recipe on held-out events, trains again on everything, writes the model folder, makes it the champion where
that is no loss (`saran.spark.promotion`), and writes gold.popularity and gold.model_metrics, which it owns.

In the driver's memory: one row a pair of user and item, the catalogue, the factors (items × k × 4 bytes), and the
events of at most `max_test_users` users, H and the held-out ones of each.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from saran.core.confidence import Interactions, Weights
from saran.core.errors import SaranError
from saran.core.model_folder import Manifest, RecommenderModel, write_model
from saran.core.model_parts import Kind, Part, als_part
from saran.core.names import Bucket, Model, Table
from saran.core.pseudonym import installation_key, pseudonyms
from saran.core.recommender import Recommender
from saran.core.s3 import Location
from saran.core.settings import Settings
from saran.core.versions import read_manifest, version_name
from saran.core.window import ALL_EVENTS, Window
from saran.spark.als import train
from saran.spark.als_parameters import ALSParameters
from saran.spark.evaluation import candidates, evaluate, ndcg_of_users, sample, split_text
from saran.spark.gold import write_metrics, write_popularity
from saran.spark.promotion import Decision, Promote, Rival, compared, find_rival, promote
from saran.spark.stages import Stages
from saran.spark.tables import open_table, read_events, read_items, silver_events
from saran.spark.training_data import HoldOut, Pairs, Rules, by_user, read_held_out, read_pairs


@dataclass(frozen=True)
class Plan:
    """What to train, and how."""

    dataset: str
    weights: Weights
    parameters: ALSParameters = field(default_factory=ALSParameters)
    hold_out: HoldOut = field(default_factory=HoldOut)
    seed: int = 42
    measure: bool = True
    max_test_users: int = 5000
    window: Window = ALL_EVENTS
    promote: Promote = "auto"
    again: Manifest | None = None
    """The version that is made again: its tables and its length of histories count, not those of now."""

    def catalogue(self, settings: Settings) -> DeltaTable | None:
        """silver.items as this training reads it; None when there is none for it."""
        if self.again is None:
            return open_table(settings, Table.SILVER_ITEMS)
        version = self.again.tables.get(Table.SILVER_ITEMS)
        return None if version is None else open_table(settings, Table.SILVER_ITEMS, version)


@dataclass(frozen=True)
class Trained:
    """A new version: where it is, and what its manifest says (checksums stand in the file only)."""

    folder: Location
    manifest: Manifest
    decision: Decision
    seconds: dict[str, float] = field(default_factory=dict)

    def written(self) -> Manifest:
        """The manifest as it was written, with checksums."""
        return read_manifest(self.folder, Manifest)


@dataclass(frozen=True)
class _Data:
    """What one training works on; `items` and `positions` (of pairs.item_ids in `items`) are in model order."""

    pairs: Pairs
    items: pa.Table
    positions: NDArray[np.int64]

    def interactions(self, strength: NDArray[np.float64]) -> Interactions:
        """Pairs with the given strength, where it is above 0, by user and model item."""
        some = strength > 0
        # Both orders are by item_id, so the pairs stay sorted.
        return Interactions(self.pairs.users[some], self.positions[self.pairs.items[some]], strength[some])


def train_recommender(spark: SparkSession, settings: Settings, plan: Plan, stages: Stages) -> Trained:
    """Run the job. Raises SaranError, naming the fix, when there is nothing to train on."""
    history_length = settings.serving.history_length if plan.again is None else plan.again.history_length
    rules = Rules(plan.weights, history_length, plan.hold_out)
    with stages("read silver"):
        silver = silver_events(settings, plan.again.tables[Table.SILVER_EVENTS] if plan.again else None)
        catalogue = plan.catalogue(settings)
        versions = {Table.SILVER_EVENTS: silver.version()}
        if catalogue is not None:
            versions[Table.SILVER_ITEMS] = catalogue.version()
        events = by_user(read_events(spark, silver, plan.window))
        if plan.measure:
            events = events.persist()
        data = _read(events, catalogue, rules)
    given = data.interactions(data.pairs.strength)
    if not len(given.items):
        raise SaranError(
            f"no event in silver.events ({plan.window}) is interest in an item, by the weights of the data set",
            fix="load events first (`saran load`), widen the window, or raise the weights in the data set's spec",
        )
    manifest = _manifest(plan, rules, data, given, versions)
    rival = find_rival(settings.models_path, manifest)
    # Both trainings wait more for Spark than they compute, where data is small: neither waits for the other.
    with ThreadPoolExecutor(max_workers=1) as pool:
        training = pool.submit(_train, spark, settings, given, plan, data)
        if plan.measure:
            measurement = _Measurement(spark, settings, events, catalogue, plan, stages)
            manifest = manifest.model_copy(update=measurement.of(data, manifest, rules, rival))
            events.unpersist()
        with stages("train"):
            part = training.result()
    popularity = popularity_order(given.items, data.items.num_rows)
    with stages("write the model"):
        folder = write_model(
            settings.models_path,
            manifest,
            parts={Kind.ALS: part},
            popularity=popularity,
            items=data.items,
            interactions=_snapshot(
                given, data.pairs.user_ids, installation_key(settings.home, make=settings.mode == "laptop")
            ),
        )
        decision = promote(settings, manifest, rival, plan.promote)
    with stages("write gold"):
        users = np.bincount(given.items, minlength=data.items.num_rows)
        if decision.promoted:
            write_popularity(settings, manifest, data.items.column("item_id"), popularity, users)
        if manifest.evaluation is not None:
            write_metrics(settings, manifest, manifest.evaluation)
    return Trained(folder, manifest, decision, stages.seconds)


def popularity_order(items: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """All `count` items, those of most users first, equals by index; `items` holds one element a pair."""
    users = np.bincount(items, minlength=count)
    return np.argsort(-users, kind="stable").astype(np.int64)


def _read(events: DataFrame, catalogue: DeltaTable | None, rules: Rules) -> _Data:
    pairs = read_pairs(events, rules)
    items = read_items(catalogue, pairs.item_ids)
    index = {item: row for row, item in enumerate(items.column("item_id").to_pylist())}
    return _Data(pairs, items, np.array([index[item] for item in pairs.item_ids], dtype=np.int64))


def _train(spark: SparkSession, settings: Settings, given: Interactions, plan: Plan, data: _Data) -> Part:
    checkpoints = settings.locate(settings.bucket(Bucket.CHECKPOINTS)) / "als"
    told = plan.parameters
    factors = train(spark, given, told, items=data.items.num_rows, seed=plan.seed, checkpoints=checkpoints)
    return als_part(factors, alpha=told.alpha, regularization=told.regularization)


@dataclass(frozen=True)
class _Measurement:
    """Training on what is not held out, and measuring on what is."""

    spark: SparkSession
    settings: Settings
    events: DataFrame
    catalogue: DeltaTable | None
    plan: Plan
    stages: Stages

    def of(self, data: _Data, manifest: Manifest, rules: Rules, rival: Rival | None) -> dict[str, object]:
        """The manifest's evaluation, and its comparison with the champion; nothing when no user has enough events."""
        plan = self.plan
        eligible = candidates(data.pairs)
        if not eligible or not (data.pairs.past > 0).any():
            return {}
        with self.stages("read test users"):
            tests = read_held_out(self.events, rules, sample(eligible, plan.max_test_users, seed=plan.seed))
        if not tests.user_ids:
            return {}
        with self.stages("train for the evaluation"):
            recommender = self._trained(data, manifest, plan)
        with self.stages("evaluate"):
            split = split_text(plan.hold_out, eligible=len(eligible), most=plan.max_test_users, seed=plan.seed)
            found: dict[str, object] = {"evaluation": evaluate(recommender, tests, split=split, seed=plan.seed)}
        if rival is None or rival.recipe is None:
            return found
        if rival.same:
            return {**found, "comparison": compared(rival, None, seed=plan.seed)}
        with self.stages("compare with the champion"):
            other = self._rival(rival.recipe, data, rules)
            if other is None:
                return found
            difference = ndcg_of_users(recommender, tests) - ndcg_of_users(other, tests)
            return {**found, "comparison": compared(rival, difference, seed=plan.seed)}

    def _rival(self, recipe: Manifest, data: _Data, rules: Rules) -> Recommender | None:
        """The champion's recipe, on the same past by its own weights; None when this trainer cannot train it so."""
        if set(recipe.parts) != {Kind.ALS}:
            return None
        own = Rules(recipe.weights, recipe.history_length, rules.hold_out)
        if own != rules:
            data = _read(self.events, self.catalogue, own)
        if not (data.pairs.past > 0).any():
            return None
        parameters = ALSParameters.of(recipe.parameters)
        return self._trained(data, recipe, replace(self.plan, parameters=parameters, seed=recipe.seed))

    def _trained(self, data: _Data, manifest: Manifest, plan: Plan) -> Recommender:
        past = data.interactions(data.pairs.past)
        part = _train(self.spark, self.settings, past, plan, data)
        popularity = popularity_order(past.items, data.items.num_rows)
        return Recommender(RecommenderModel(manifest, {Kind.ALS: part}, popularity, data.items))


def _manifest(plan: Plan, rules: Rules, data: _Data, given: Interactions, versions: dict[str, int]) -> Manifest:
    now = datetime.now(UTC)
    parameters = plan.parameters.model_dump()
    made_from = {
        "parameters": parameters,
        "weights": plan.weights.model_dump(),
        "history": rules.history,
        "seed": plan.seed,
        "tables": versions,
        "window": plan.window.model_dump(mode="json"),
    }
    return Manifest(
        name=Model.RECOMMENDER,
        version=version_name(now, made_from),
        created_at=now,
        dataset=plan.dataset,
        synthetic=data.pairs.synthetic,
        algorithm=f"implicit ALS (solver {plan.parameters.solver}), served by fold-in",
        parameters=parameters,
        weights=plan.weights,
        history_length=rules.history,
        seed=plan.seed,
        tables=versions,
        window=plan.window,
        users=len(np.unique(given.users)),
        items=data.items.num_rows,
        interactions=len(given.items),
        newest_event=data.pairs.newest_event,
    )


def _snapshot(given: Interactions, user_ids: list[str], key: bytes) -> pa.Table:
    """Columns user (pseudonym), item (row of the model's items) and strength, in the order that was trained on."""
    present, codes = np.unique(given.users, return_inverse=True)
    names = pa.array(pseudonyms((user_ids[user] for user in present), key), type=pa.string())
    users = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)
    return pa.table(
        {"user": users, "item": given.items.astype(np.int32), "strength": given.strengths.astype(np.float32)}
    )
