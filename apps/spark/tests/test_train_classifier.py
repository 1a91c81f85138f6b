"""Items are told by their words, those without a label get one, and lists show it as derived."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apps.spark.tests.train_events import START, Row, write_events
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from saran.core.confidence import Weights
from saran.core.errors import SaranError
from saran.core.model_folder import load_model
from saran.core.names import Model, Table
from saran.core.settings import Settings
from saran.core.versions import champion
from saran.spark.class_figures import by_class, figures, gain
from saran.spark.classifier_parameters import ClassifierParameters
from saran.spark.from_manifest import plan_again
from saran.spark.lake_schemas import SILVER_ITEMS
from saran.spark.list_parameters import PopularityParameters
from saran.spark.ml_results import CLASSIFICATION, result_file
from saran.spark.stages import Stages
from saran.spark.train_classifier import CONSTANT, LOGISTIC, ClassifierManifest, train_classifier
from saran.spark.train_recommender import Plan as ListPlan
from saran.spark.train_recommender import train_recommender
from saran.spark.trained import Trained
from saran.spark.visitor_training import Plan

AGES = Plan("films", ClassifierParameters())
CLASSES = {"dragon": "7+", "murder": "18+", "court": "13+"}


def write_films(settings: Settings) -> None:
    """Sixty films whose word says their class, six (`new-…`) without one, and thirty that a rule of the spec misled."""
    words = list(CLASSES)
    films: list[tuple[str, str, str | None, str | None]] = [
        (f"f{n:02}", words[n % 3], CLASSES[words[n % 3]], "given") for n in range(60)
    ]
    films += [(f"new-{n}", words[n % 3], None, None) for n in range(6)]
    films += [(f"rule-{n}", "dragon", "18+", "derived") for n in range(30)]
    rows = [
        {
            "item_id": item,
            "title": f"The {word} number {place % 7}",
            "categories": [] if item == "new-0" else [word.upper()],
            "age_rating": age,
            "is_available": True,
            "attributes": [("age_rating_source", source)] if source else [("studio", "one")],
            "ingested_at": START,
            "kafka_partition": 0,
            "kafka_offset": place,
        }
        for place, (item, word, age, source) in enumerate(films)
    ]
    write_deltalake(settings.table_path(Table.SILVER_ITEMS), pa.Table.from_pylist(rows, schema=SILVER_ITEMS))
    write_events(settings, [Row(f"u{n % 4}", f"f{n:02}", n) for n in range(20)])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("films"))
    write_films(settings)
    return settings


@pytest.fixture(scope="module")
def trained(spark: SparkSession, settings: Settings) -> Trained[ClassifierManifest]:
    return train_classifier(spark, settings, AGES, Stages())


def labels(settings: Settings) -> dict[str, str]:
    rows = DeltaTable(settings.table_path(Table.GOLD_ITEM_LABELS)).to_pyarrow_table().to_pylist()
    return {row["item_id"]: row["label"] for row in rows}


@pytest.mark.spark
def test_items_are_told_by_their_words(settings: Settings, trained: Trained[ClassifierManifest]) -> None:
    manifest = trained.manifest
    assert champion(settings.models_path, Model.ITEM_CLASSIFIER) == manifest.version
    assert manifest.labelled == 60, "what a rule derived teaches nothing"
    assert manifest.evaluation.test_users == 12
    assert sum(one.support for one in manifest.classes) == 12
    assert all((one.precision, one.recall, one.f1) == (1, 1, 1) for one in manifest.classes if one.support)
    assert manifest.evaluation.metrics[LOGISTIC]["accuracy"].value == 1
    most = max(one.support for one in manifest.classes)
    assert manifest.evaluation.metrics[CONSTANT]["accuracy"].value <= most / 12
    found = labels(settings)
    assert {item: label for item, label in found.items() if item.startswith("new")} == {
        f"new-{n}": CLASSES[list(CLASSES)[n % 3]] for n in range(6)
    }
    file = Path(str(result_file(settings, CLASSIFICATION)))
    assert file.parent.name == "ml_results"
    assert set(pq.read_table(file).column("item_id").to_pylist()) == set(found)


@pytest.mark.spark
def test_the_same_recipe_gives_the_same_labels_and_follows_the_data(
    spark: SparkSession, settings: Settings, trained: Trained[ClassifierManifest]
) -> None:
    again = train_classifier(spark, settings, replace(AGES, again=trained.written(), promote="never"), Stages())
    assert again.written().sha256 == trained.written().sha256
    assert again.manifest.comparison is not None
    assert again.manifest.comparison.difference.value == 0
    genres = replace(AGES, parameters=ClassifierParameters(target="genre"))
    other = train_classifier(spark, settings, genres, Stages())
    assert not other.decision.promoted
    assert "which tells the age class" in other.decision.why
    assert pq.read_table(Path(str(other.folder)) / "labels.parquet").to_pylist() == [
        pytest.approx({"target": "genre", "item_id": "new-0", "label": "DRAGON", "probability": 1}, abs=0.4)
    ]


@pytest.mark.spark
@pytest.mark.usefixtures("trained")
def test_lists_show_a_label_as_derived_and_are_made_again_with_it(spark: SparkSession, settings: Settings) -> None:
    plan = ListPlan("films", Weights(), PopularityParameters(), measure=False)
    made = train_recommender(spark, settings, plan, Stages())
    assert made.manifest.tables[Table.GOLD_ITEM_LABELS] == 0
    items = {row["item_id"]: row for row in load_model(made.folder).items.to_pylist()}
    assert (items["new-1"]["age_rating"], dict(items["new-1"]["attributes"])) == (
        "18+",
        {"studio": "one", "age_rating_source": "derived"},
    )
    assert (items["f01"]["age_rating"], dict(items["f01"]["attributes"])) == ("18+", {"age_rating_source": "given"})
    assert (items["rule-0"]["age_rating"], dict(items["rule-0"]["attributes"])) == (
        "18+",
        {"age_rating_source": "derived"},
    )
    again = train_recommender(spark, settings, replace(plan_again(made.written()), measure=False), Stages())
    assert load_model(again.folder).items == load_model(made.folder).items


@pytest.mark.spark
def test_a_catalogue_without_labels_is_refused_with_the_fix(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write_events(settings, [Row("u", "a", 1)])
    with pytest.raises(SaranError, match=r"no table silver\.items"):
        train_classifier(spark, settings, AGES, Stages())
    row = {"item_id": "a", "title": "A", "categories": [], "is_available": True, "attributes": []}
    lineage = {"ingested_at": START, "kafka_partition": 0, "kafka_offset": 0}
    table = pa.Table.from_pylist([{**row, **lineage}], schema=SILVER_ITEMS)
    write_deltalake(settings.table_path(Table.SILVER_ITEMS), table)
    with pytest.raises(SaranError, match="0 of 1 items have their own age class, of 0 classes"):
        train_classifier(spark, settings, AGES, Stages())


TRUTH = np.array([0, 0, 0, 1, 1, 2])
SAID = np.array([0, 0, 1, 1, 0, 1])


def test_figures_by_class_by_hand() -> None:
    assert by_class(TRUTH, SAID, 3) == pytest.approx(
        np.array([[2 / 3, 2 / 3, 2 / 3, 3], [1 / 3, 1 / 2, 2 / 5, 2], [0, 0, 0, 1]])
    )
    said = figures(TRUTH, SAID, 3, seed=1, resamples=50)
    assert said["accuracy"].value == pytest.approx(3 / 6)
    assert said["macro-f1"].value == pytest.approx((2 / 3 + 2 / 5 + 0) / 3)
    assert all(one.low <= one.value <= one.high for one in said.values())


def test_a_gain_is_the_difference_on_the_same_items() -> None:
    found = gain(TRUTH, TRUTH, SAID, 3, seed=1, resamples=50)
    assert found.value == pytest.approx(1 - (2 / 3 + 2 / 5) / 3)
    none = gain(TRUTH, SAID, SAID, 3, seed=1, resamples=50)
    assert (none.value, none.low, none.high) == (0, 0, 0)
