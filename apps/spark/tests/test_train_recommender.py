"""The whole job on small tables: what it writes, that it writes it twice the same, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from apps.spark.tests.train_events import START, Row, write_events, write_items
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from saran.core.confidence import Interactions, Weights
from saran.core.entities import ACTION_CODES, ITEM_ARROW
from saran.core.errors import SaranError
from saran.core.model_folder import Evaluation, Manifest, load_model, read_interactions
from saran.core.model_parts import Kind
from saran.core.names import Model, Table
from saran.core.recommender import History, Recommender
from saran.core.settings import Settings
from saran.core.versions import champion
from saran.spark import train_recommender as train_module
from saran.spark.als import train
from saran.spark.als_parameters import ALSParameters
from saran.spark.commands import app
from saran.spark.evaluation import ALS, POPULARITY, evaluate
from saran.spark.from_manifest import differing_files, plan_again, read_recipe
from saran.spark.stages import Stages
from saran.spark.tables import open_table
from saran.spark.train_recommender import Plan, popularity_order, train_recommender
from saran.spark.training_data import HeldOut

PARAMETERS = ALSParameters(rank=6, iterations=6)
PLAN = Plan("test", Weights(), PARAMETERS)


def _rows() -> list[Row]:
    """Two tastes: even users like even items."""
    return [
        Row(f"user-{user:02}", f"item-{item:02}", 100 * user + item)
        for user in range(30)
        for item in range(16)
        if user % 2 == item % 2 and (user + item) % 7
    ]


def _write_silver(settings: Settings) -> None:
    """`rare` was seen but never liked; `unsold` is in the catalogue only."""
    write_events(settings, [*_rows(), Row("user-00", "rare", 5000, "impression")])
    titles = {f"item-{item:02}": f"Title {item}" for item in range(15)}
    write_items(settings, {**titles, "unsold": "Nobody saw it"})


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("trainer"))
    _write_silver(settings)
    return settings


@pytest.mark.spark
def test_the_withheld_item_comes_first(spark: SparkSession, tmp_path: Path) -> None:
    """A checkerboard: users like the items of their parity but the one of their own number."""
    settings, size = Settings(home=tmp_path), 40
    likes = [(user, item) for user in range(size) for item in range(size) if user % 2 == item % 2 and user != item]
    write_events(settings, [Row(f"u{user:02}", f"i{item:02}", item, "view") for user, item in likes])
    plan = Plan("board", Weights(), ALSParameters(rank=4, regularization=0.01, alpha=2.0), measure=False)
    trained = train_recommender(spark, settings, plan, Stages())
    recommender = Recommender(load_model(trained.folder))
    histories = []
    for user in range(size):
        items = [f"i{item:02}" for owner, item in likes if owner == user]
        histories.append(History(items, np.full(len(items), ACTION_CODES["view"]), np.full(len(items), np.nan)))
    first = [recommender.item_ids[answer.items[0]] for answer in recommender.recommend(histories, 3)]
    assert first == [f"i{user:02}" for user in range(size)]


@pytest.mark.spark
def test_the_job_writes_all_it_promises(spark: SparkSession, settings: Settings) -> None:
    trained = train_recommender(spark, settings, PLAN, Stages())
    assert champion(settings.models_path, Model.RECOMMENDER) == trained.manifest.version == trained.folder.name
    model = load_model(trained.folder)
    manifest = model.manifest
    assert manifest.tables == {Table.SILVER_EVENTS: 0, Table.SILVER_ITEMS: 0}
    assert (manifest.users, manifest.items, manifest.history_length, manifest.seed) == (30, 17, 500, 42)
    assert manifest.parameters == PLAN.parameters.model_dump()
    assert manifest.newest_event == START + timedelta(seconds=5000)
    assert not manifest.synthetic

    # Catalogue rows keep their titles, an item of events alone has its id, one that nobody liked has no row.
    assert model.items.schema.equals(ITEM_ARROW)
    ids = model.items.column("item_id").to_pylist()
    assert ids == [*(f"item-{item:02}" for item in range(16)), "unsold"]
    by_id = {row["item_id"]: row for row in model.items.to_pylist()}
    assert by_id["item-03"]["title"] == "Title 3"
    assert by_id["item-03"]["attributes"] == [("colour", "red")]
    assert (by_id["item-15"]["title"], by_id["item-15"]["categories"]) == (None, [])
    assert not model.parts["als"].arrays["factors"][ids.index("unsold")].any()
    assert model.parts["als"].arrays["factors"][:16].any(axis=1).all()

    snapshot = read_interactions(trained.folder)
    assert snapshot.num_rows == manifest.interactions
    users = np.bincount(snapshot.column("item").to_numpy(), minlength=17)
    assert model.popularity.tolist() == sorted(range(17), key=lambda item: (-users[item], item))

    every = DeltaTable(settings.table_path(Table.GOLD_POPULARITY)).to_pyarrow_table().to_pylist()
    popularity = [row for row in every if row["segment"] == "overall"]
    assert [row["item_id"] for row in popularity] == [ids[item] for item in model.popularity]
    assert [row["rank"] for row in popularity] == list(range(1, 18))
    assert [row["users"] for row in popularity] == sorted(users, reverse=True)

    assert manifest.evaluation is not None
    assert set(manifest.evaluation.metrics) == {ALS, POPULARITY}
    rows = DeltaTable(settings.table_path(Table.GOLD_MODEL_METRICS)).to_pyarrow_table().to_pylist()
    written = {(row["model"], row["metric"]): row["value"] for row in rows if row["model_version"] == manifest.version}
    assert written == {
        (model_name, name): metric.value
        for model_name, metrics in manifest.evaluation.metrics.items()
        for name, metric in metrics.items()
    }


@pytest.mark.spark
def test_two_runs_give_equal_arrays_and_figures_and_the_snapshot_gives_them_again(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    one, two = (train_recommender(spark, settings, PLAN, Stages()) for _ in range(2))
    assert one.manifest.version < two.manifest.version
    assert one.manifest.version[-8:] == two.manifest.version[-8:], "the hash is of what a version is made from"
    assert one.manifest.evaluation == two.manifest.evaluation
    first, second = load_model(one.folder), load_model(two.folder)
    factors = first.parts["als"].arrays["factors"]
    assert np.array_equal(factors, second.parts["als"].arrays["factors"])
    assert np.array_equal(first.popularity, second.popularity)
    snapshot = read_interactions(one.folder)
    assert snapshot.equals(read_interactions(two.folder))

    names = snapshot.column("user").combine_chunks().to_pylist()
    assert not [name for name in names if name.startswith("user")]
    order = {name: place for place, name in enumerate(dict.fromkeys(names))}
    again = train(
        spark,
        Interactions(
            np.array([order[name] for name in names]),
            snapshot.column("item").to_numpy().astype(np.int64),
            snapshot.column("strength").to_numpy().astype(np.float64),
        ),
        PARAMETERS,
        items=first.manifest.items,
        seed=PLAN.seed,
        checkpoints=tmp_path,
    )
    assert np.array_equal(again, factors)


@pytest.mark.spark
def test_a_version_is_made_again_from_its_manifest(spark: SparkSession, tmp_path: Path) -> None:
    """Other events, other items and another length of histories came meanwhile: the tables are read as they were."""
    settings = Settings(home=tmp_path)
    _write_silver(settings)
    plan = Plan("test", Weights(view=2.0), ALSParameters(rank=4, iterations=3), seed=9)
    first = train_recommender(spark, settings, plan, Stages())
    write_events(settings, [Row(f"user-{user:02}", "item-00", 9000 + user, "purchase") for user in range(30)])
    write_items(settings, {"item-late": "Came late"})
    settings.serving = settings.serving.model_copy(update={"history_length": 3})

    later = train_recommender(spark, settings, plan, Stages())
    assert later.manifest.tables == {Table.SILVER_EVENTS: 1, Table.SILVER_ITEMS: 1}
    assert "als.factors.npy" in differing_files(first.written(), later.written())

    recipe = read_recipe(settings.models_path, first.manifest.version, Model.RECOMMENDER, Manifest)
    assert (
        recipe
        == read_recipe(settings.models_path, str(first.folder / "manifest.json"), Model.RECOMMENDER, Manifest)
        == first.written()
    )
    again = train_recommender(spark, settings, plan_again(recipe), Stages())
    assert again.manifest.tables == first.manifest.tables
    assert differing_files(first.written(), again.written()) == []
    one, two = (load_model(trained.folder).parts[Kind.ALS].arrays["factors"] for trained in (first, again))
    assert np.array_equal(one, two)
    assert read_interactions(again.folder).equals(read_interactions(first.folder))
    assert again.manifest.evaluation == first.manifest.evaluation

    table = open_table(settings, Table.SILVER_EVENTS, 0)
    assert table is not None
    Path(table.file_uris()[0]).unlink()
    with pytest.raises(SaranError, match=r"silver\.events cannot be read as of version 0: there is no .*parquet"):
        open_table(settings, Table.SILVER_EVENTS, 0)
    with pytest.raises(SaranError, match=r"silver\.events cannot be read as of version 7"):
        open_table(settings, Table.SILVER_EVENTS, 7)


@pytest.mark.spark
def test_a_candidate_is_measured_beside_the_champions_recipe(spark: SparkSession, tmp_path: Path) -> None:
    """What is held out is new to most, and one stiff factor finds it better than six: those stay a candidate."""
    settings = Settings(home=tmp_path)
    _write_silver(settings)
    stiff = Plan("test", Weights(), ALSParameters(rank=1, iterations=1, regularization=100.0))
    good = train_recommender(spark, settings, stiff, Stages())
    assert good.decision.promoted
    poor = train_recommender(spark, settings, PLAN, Stages())
    comparison = poor.manifest.comparison
    assert comparison is not None
    assert (comparison.champion, comparison.metric) == (good.manifest.version, "ndcg@10")
    assert good.manifest.evaluation is not None
    assert poor.manifest.evaluation is not None
    means = [one.metrics[ALS]["ndcg@10"].value for one in (poor.manifest.evaluation, good.manifest.evaluation)]
    assert comparison.difference.value == pytest.approx(means[0] - means[1])
    assert comparison.difference.high < 0
    assert not poor.decision.promoted
    assert champion(settings.models_path, Model.RECOMMENDER) == good.manifest.version
    popular = DeltaTable(settings.table_path(Table.GOLD_POPULARITY)).to_pyarrow_table()
    assert set(popular.column("model_version").to_pylist()) == {good.manifest.version}

    again = train_recommender(spark, settings, stiff, Stages())
    assert again.decision.promoted
    assert again.manifest.comparison is not None
    assert again.manifest.comparison.difference.low == 0
    back = train_recommender(spark, settings, replace(PLAN, promote="always"), Stages())
    assert champion(settings.models_path, Model.RECOMMENDER) == back.manifest.version


@pytest.mark.spark
def test_with_the_future_permuted_every_list_stays_the_same(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each user's held-out event becomes another user's: only what is looked for changes, not where."""
    seen: list[tuple[Recommender, HeldOut]] = []

    def spy(recommender: Recommender, tests: HeldOut, *, split: str, seed: int, **_: object) -> Evaluation:
        seen.append((recommender, tests))
        return evaluate(recommender, tests, split=split, seed=seed)

    monkeypatch.setattr(train_module, "evaluate", spy)
    rows = _rows()
    newest = {row.user: place for place, row in enumerate(rows)}
    places = list(newest.values())
    permuted = list(rows)
    for place, source in zip(places, [*places[7:], *places[:7]], strict=True):
        permuted[place] = rows[place]._replace(item=rows[source].item)
    found = []
    for name, events in (("as-it-was", rows), ("permuted", permuted)):
        settings = Settings(home=tmp_path / name)
        write_events(settings, events)
        write_items(settings, {f"item-{item:02}": "" for item in range(16)})
        found.append(train_recommender(spark, settings, PLAN, Stages()).manifest.evaluation)
    (one, tests), (other, others) = seen
    asked = dict(zip(tests.user_ids, tests.histories, strict=True))
    both = [user for user in others.user_ids if user in asked]
    assert len(both) > 20
    again = dict(zip(others.user_ids, others.histories, strict=True))
    for user in both:
        assert list(asked[user].item_ids) == list(again[user].item_ids)
    for mine, theirs in zip(
        one.recommend([asked[user] for user in both], 10),
        other.recommend([again[user] for user in both], 10),
        strict=True,
    ):
        assert mine.items.tolist() == theirs.items.tolist()
        assert mine.scores.tolist() == theirs.scores.tolist()
    assert one.popular(16).items.tolist() == other.popular(16).items.tolist()
    assert tests.relevant != others.relevant
    assert found[0] != found[1], "the permutation is felt where it should be"


@pytest.mark.spark
def test_stages_are_timed_and_announced(spark: SparkSession, settings: Settings) -> None:
    begun: list[str] = []
    plan = Plan("test", Weights(), ALSParameters(rank=2, iterations=1), measure=False)
    trained = train_recommender(spark, settings, plan, Stages(begun.append))
    assert begun == ["read silver", "train", "write the model", "write gold"]
    assert list(trained.seconds) == begun
    assert trained.manifest.evaluation is None


@pytest.mark.spark
def test_the_sample_of_test_users_is_stated(spark: SparkSession, settings: Settings) -> None:
    plan = Plan("test", Weights(), ALSParameters(rank=2, iterations=1), max_test_users=3)
    evaluation = train_recommender(spark, settings, plan, Stages()).manifest.evaluation
    assert evaluation is not None
    assert evaluation.test_users == 3
    # The one held-out event of user-00 is an impression, which is no interest to look for.
    assert "3 of 29 such users, drawn by seed 42" in evaluation.split


@pytest.mark.spark
def test_missing_and_empty_silver_are_refused_with_the_fix(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(SaranError, match=r"there is no table silver\.events .*: start the platform with `saran up`"):
        train_recommender(spark, settings, PLAN, Stages())
    write_events(settings, [Row("u", "a", 1, "impression")])
    with pytest.raises(
        SaranError, match=r"no event in silver\.events \(all events\) is interest .*: load events first"
    ):
        train_recommender(spark, settings, PLAN, Stages())
    assert champion(settings.models_path, Model.RECOMMENDER) is None


def test_popularity_is_by_users_then_by_index() -> None:
    assert popularity_order(np.array([3, 1, 3, 2, 1]), 5).tolist() == [1, 3, 2, 0, 4]


def test_the_command_refuses_a_parameter_that_is_none() -> None:
    answer = CliRunner().invoke(app, ["train", "recommender", "--set", "rank"])
    assert answer.exit_code == 2
    answer = CliRunner().invoke(app, ["train", "recommender", "--set", "rnk=3"])
    assert isinstance(answer.exception, SaranError)
    assert "there is no parameter rnk" in answer.exception.message


@pytest.mark.spark
def test_the_command_answers_in_json(spark_jars: Path, settings: Settings) -> None:
    code = "from saran.spark.commands import app; app()"
    arguments = ["--set", "rank=3", "--set", "iterations=2", "--seed", "7", "--promote", "always", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "recommender", *arguments],
        env={**os.environ, "SARAN_HOME": str(settings.home), "SARAN_SPARK_JARS": str(spark_jars)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert champion(settings.models_path, Model.RECOMMENDER) == answer["version"]
    assert (answer["seed"], answer["parameters"]["rank"], answer["dataset"]) == (7, 3, "movielens")
    assert (answer["promoted"], answer["warnings"]) == (True, [])
    assert (Path(answer["folder"]) / "card.md").exists(), "card and MLflow's entry belong to the command"
    assert "registered recommender " + answer["version"] in done.stderr
    low, value, high = (answer["evaluation"]["metrics"]["als"]["ndcg@10"][name] for name in ("low", "value", "high"))
    assert all(one <= other for one, other in pairwise((0, low, value, high, 1)))
    assert answer["seconds"]["start Spark"] > 0
