"""The job that trains what lists are made with, by any list model: silver in, a model version out.

It reads silver.events and silver.items at the versions that the manifest names, measures the model, its baselines and
the champion's recipe on held-out events, trains again on everything, writes the model folder, makes it the champion
where that is no loss (`saran.spark.promotion`), and writes gold.popularity, gold.item_neighbours and
gold.model_metrics, which it owns.

In the driver's memory: one row a pair of user and item, the catalogue, the parts of the version, and the events of at
most `max_test_users` users, H and the held-out ones of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from saran.core.confidence import Interactions, Weights
from saran.core.errors import SaranError
from saran.core.model_folder import Manifest, RecommenderModel, load_model, write_model
from saran.core.model_parts import Kind, age_groups
from saran.core.names import Bucket, Model, Table
from saran.core.pseudonym import installation_key, pseudonyms
from saran.core.recommender import Recommender
from saran.core.s3 import Location
from saran.core.settings import Settings
from saran.core.versions import version_name
from saran.core.window import ALL_EVENTS, Window
from saran.spark.als_parameters import ALSParameters
from saran.spark.evaluation import PRIMARY, candidates, evaluate, ndcg_of_users, sample, split_text
from saran.spark.gold import write_metrics, write_neighbours, write_popularity
from saran.spark.item_labels import enriched
from saran.spark.list_models import (
    ALSModel,
    BlendModel,
    Ground,
    ListModel,
    NeighbourModel,
    Parts,
    model_again,
    model_of,
    neighbours_of,
)
from saran.spark.list_parameters import NeighbourParameters, PopularityParameters
from saran.spark.model_search import make_fold
from saran.spark.parameters import Parameters
from saran.spark.promotion import Promote, Rival, compared, find_rival, promote
from saran.spark.session_repeats import read_repeats
from saran.spark.session_rules import read_rules
from saran.spark.stages import Stages
from saran.spark.tables import open_table, read_events, read_items, silver_events
from saran.spark.trained import Trained
from saran.spark.training_data import HoldOut, Pairs, Rules, by_user, read_held_out, read_pairs, training_part
from saran.spark.user_ages import ages_of, read_birth_years

_RECIPE: Final = frozenset({"algorithm", "weights", "history_length"})
"""What the recipe of a list is made of, beside what every model's is."""


@dataclass(frozen=True)
class Plan:
    """What to train, and how."""

    dataset: str
    weights: Weights
    parameters: Parameters = field(default_factory=ALSParameters)
    """Their class says which list model is trained."""
    hold_out: HoldOut = field(default_factory=HoldOut)
    seed: int = 42
    measure: bool = True
    max_test_users: int = 5000
    window: Window = ALL_EVENTS
    promote: Promote = "auto"
    again: Manifest | None = None
    """The version that is made again: its tables and its length of histories count, not those of now."""

    def catalogue(self, settings: Settings) -> _Catalogue:
        """The tables of items as this training reads them."""
        return _Catalogue(self.table(settings, Table.SILVER_ITEMS), self.table(settings, Table.GOLD_ITEM_LABELS))

    def table(self, settings: Settings, name: str) -> DeltaTable | None:
        """A table as this training reads it; None when there is none for it."""
        if self.again is None:
            return open_table(settings, name)
        version = self.again.tables.get(name)
        return None if version is None else open_table(settings, name, version)


class _Catalogue(NamedTuple):
    """silver.items, and gold.item_labels: what was derived for items that have none of their own."""

    items: DeltaTable | None
    labels: DeltaTable | None

    def read(self, item_ids: list[str]) -> pa.Table:
        """The whole catalogue and items that only events name (`item_ids`), see `read_items`."""
        items = read_items(self.items, item_ids)
        return items if self.labels is None else enriched(items, self.labels.to_pyarrow_table())


class _Sources(NamedTuple):
    """What is read: the tables, the birth years that silver.users has, and the versions of those that count."""

    events: DeltaTable
    catalogue: _Catalogue
    birth_years: pa.Table | None
    versions: dict[str, int]


def _sources(settings: Settings, plan: Plan) -> _Sources:
    events = silver_events(settings, plan.again.tables[Table.SILVER_EVENTS] if plan.again else None)
    catalogue = plan.catalogue(settings)
    users = plan.table(settings, Table.SILVER_USERS)
    birth_years = None if users is None else read_birth_years(users)
    counting = {
        Table.SILVER_EVENTS: events,
        Table.SILVER_ITEMS: catalogue.items,
        Table.GOLD_ITEM_LABELS: catalogue.labels,
        Table.SILVER_USERS: users if birth_years is not None else None,
    }
    versions = {str(name): table.version() for name, table in counting.items() if table is not None}
    return _Sources(events, catalogue, birth_years, versions)


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

    def ground(self, spark: SparkSession, settings: Settings, seed: int, *, past: bool) -> Ground:
        """What a model is fitted on: everything, or the `past` of what is held out."""
        pairs = self.pairs
        strength, days = (pairs.past, pairs.past_days) if past else (pairs.strength, pairs.days)
        checkpoints = settings.locate(settings.bucket(Bucket.CHECKPOINTS))
        return Ground(spark, self.items, self.interactions(strength), days[strength > 0], seed, checkpoints)


def train_recommender(spark: SparkSession, settings: Settings, plan: Plan, stages: Stages) -> Trained[Manifest]:
    """Run the job. Raises SaranError, naming the fix, when there is nothing to train on."""
    history_length = settings.serving.history_length if plan.again is None else plan.again.history_length
    rules = Rules(plan.weights, history_length, plan.hold_out)
    with stages("read silver"):
        sources = _sources(settings, plan)
        catalogue = sources.catalogue
        events = by_user(read_events(spark, sources.events, plan.window))
        model = model_of(plan.parameters, plan.again)
        undecided = isinstance(model, BlendModel) and model.weights is None
        if plan.measure or undecided:
            events = events.persist()
        data = _read(events, catalogue, rules)
    ground = data.ground(spark, settings, plan.seed, past=False)
    if not len(ground.given.items):
        raise SaranError(
            f"no event in silver.events ({plan.window}) is interest in an item, by the weights of the data set",
            fix="load events first (`saran load`), widen the window, or raise the weights in the data set's spec",
        )
    if isinstance(model, BlendModel) and undecided:
        with stages("choose the weights"):
            # The newest of the training part decides: never what the version is measured on.
            training = _read(training_part(events, rules), catalogue, rules) if plan.measure else data
            model = _chosen(model, training, training.ground(spark, settings, plan.seed, past=True))
    manifest = _manifest(plan, model, rules, data, ground.given, sources.versions)
    rival = find_rival(settings.models_path, manifest, _served, same=_RECIPE)
    # Both trainings wait more for Spark than they compute, where data is small: neither waits for the other.
    with ThreadPoolExecutor(max_workers=1) as pool:
        fitting = pool.submit(model.fit, ground)
        if plan.measure:
            measurement = _Measurement(spark, settings, events, catalogue, plan, model, stages)
            manifest = manifest.model_copy(update=measurement.of(data, manifest, rules, rival))
        neighbours = neighbours_of(model)
        followed: Parts = {}
        if neighbours is not None and neighbours.next_items:
            with stages("count what comes next"):
                followed = {
                    "rules": read_rules(events, plan.weights, data.items.column("item_id"), neighbours),
                    "repeats": read_repeats(events, plan.weights, neighbours),
                }
        events.unpersist()
        with stages("train"):
            parts = {**fitting.result(), **followed}
            popular = parts["popularity"].spec.parameters if "popularity" in parts else PopularityParameters().flat()
            half_life_days = float(popular["half_life_days"])
            if sources.birth_years is not None:
                newest = data.pairs.newest_event
                parts |= ages_of(ground, data.pairs.user_ids, sources.birth_years, newest, half_life_days)
    popularity = _order(parts, ground)
    with stages("write the model"):
        folder = write_model(
            settings.models_path,
            manifest,
            parts=parts,
            popularity=popularity,
            items=data.items,
            interactions=_snapshot(
                ground.given, data.pairs.user_ids, installation_key(settings.home, make=settings.mode == "laptop")
            ),
        )
        decision = promote(settings, manifest, rival, plan.promote)
    with stages("write gold"):
        if decision.promoted:
            write_popularity(settings, manifest, ground, half_life_days, age_groups(parts))
            write_neighbours(settings, manifest, data.items.column("item_id"), parts)
        if manifest.evaluation is not None:
            write_metrics(settings, manifest, manifest.evaluation)
    return Trained(folder, manifest, decision, stages.seconds)


def popularity_order(items: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """All `count` items, those of most users first, equals by index; `items` holds one element a pair."""
    users = np.bincount(items, minlength=count)
    return np.argsort(-users, kind="stable").astype(np.int64)


def _read(events: DataFrame, catalogue: _Catalogue, rules: Rules) -> _Data:
    pairs = read_pairs(events, rules)
    items = catalogue.read(pairs.item_ids)
    index = {item: row for row, item in enumerate(items.column("item_id").to_pylist())}
    return _Data(pairs, items, np.array([index[item] for item in pairs.item_ids], dtype=np.int64))


def _order(parts: Parts, ground: Ground) -> NDArray[np.int64]:
    """All items, most popular first: by the version's own popularity, where it has one."""
    for part in parts.values():
        if part.spec.kind is Kind.POPULARITY:
            return np.argsort(-part.arrays["counts"], kind="stable").astype(np.int64)
    return popularity_order(ground.given.items, ground.items.num_rows)


def _chosen(model: BlendModel, data: _Data, ground: Ground) -> BlendModel:
    """The blend with its weights; as it is when nobody has enough events."""
    pairs, count = data.pairs, data.items.num_rows
    new = (pairs.future > 0) & (pairs.past == 0)
    wanted = pairs.users[new] * count + data.positions[pairs.items[new]]
    if not np.isin(wanted // count, ground.given.users).any():
        return model
    return model.chosen(ground, make_fold(ground.given, wanted, count, ground.seed))


def _beside(model: ListModel, parts: Parts, ground: Ground) -> Mapping[str, Parts]:
    """What a version is measured beside: the parts of a blend alone, or item-kNN."""
    if isinstance(model, BlendModel):
        return {name: {name: part.weighing(1)} for name, part in parts.items() if part.spec.kind is not Kind.POPULARITY}
    if isinstance(model, ALSModel):
        return {}
    return {"item-knn": NeighbourModel(NeighbourParameters(method="cosine")).fit(ground)}


@dataclass(frozen=True)
class _Measurement:
    """Training on what is not held out, and measuring on what is."""

    spark: SparkSession
    settings: Settings
    events: DataFrame
    catalogue: _Catalogue
    plan: Plan
    model: ListModel
    stages: Stages

    def of(self, data: _Data, manifest: Manifest, rules: Rules, rival: Rival[Manifest] | None) -> dict[str, object]:
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
            ground = data.ground(self.spark, self.settings, plan.seed, past=True)
            parts = self.model.fit(ground)
            recommender = _recommender(parts, ground, manifest)
            others = _beside(self.model, parts, ground)
            beside = {name: _recommender(own, ground, manifest) for name, own in others.items()}
        with self.stages("evaluate"):
            split = split_text(plan.hold_out, eligible=len(eligible), most=plan.max_test_users, seed=plan.seed)
            measured = evaluate(recommender, tests, split=split, seed=plan.seed, name=self.model.name, beside=beside)
            found: dict[str, object] = {"evaluation": measured}
        if rival is None or rival.recipe is None:
            return found
        if rival.same:
            return {**found, "comparison": compared(rival, PRIMARY, None, seed=plan.seed)}
        with self.stages("compare with the champion"):
            other = self._rival(rival.recipe, data, rules)
            if other is None:
                return found
            difference = ndcg_of_users(recommender, tests) - ndcg_of_users(other, tests)
            return {**found, "comparison": compared(rival, PRIMARY, difference, seed=plan.seed)}

    def _rival(self, recipe: Manifest, data: _Data, rules: Rules) -> Recommender | None:
        """The champion's recipe, on the same past by its own weights; None without interest by these."""
        own = Rules(recipe.weights, recipe.history_length, rules.hold_out)
        if own != rules:
            data = _read(self.events, self.catalogue, own)
        if not (data.pairs.past > 0).any():
            return None
        ground = data.ground(self.spark, self.settings, recipe.seed, past=True)
        return _recommender(model_again(recipe).fit(ground), ground, recipe)


def _served(folder: Location) -> Manifest:
    return load_model(folder).manifest


def _recommender(parts: Parts, ground: Ground, manifest: Manifest) -> Recommender:
    return Recommender(RecommenderModel(manifest, parts, _order(parts, ground), ground.items))


def _manifest(
    plan: Plan, model: ListModel, rules: Rules, data: _Data, given: Interactions, versions: dict[str, int]
) -> Manifest:
    now = datetime.now(UTC)
    parameters = model.parameters.flat()
    made_from = {
        "model": model.name,
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
        algorithm=model.algorithm,
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
