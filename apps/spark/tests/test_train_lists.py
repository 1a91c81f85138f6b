"""The job with each list model, on small tables: what is published, what gold holds, and what no choice may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apps.spark.tests.train_events import START, Row, write_events
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from saran.core.confidence import Weights
from saran.core.errors import SaranError
from saran.core.model_folder import Manifest, load_model
from saran.core.model_parts import Kind
from saran.core.names import Table
from saran.core.recommender import Recommender
from saran.core.settings import Settings
from saran.spark.als_parameters import ALSParameters
from saran.spark.commands import app
from saran.spark.lake_schemas import SILVER_ITEMS, SILVER_USERS
from saran.spark.list_parameters import BlendParameters, ContentParameters, NeighbourParameters, PopularityParameters
from saran.spark.ml_results import COLLABORATIVE, CONTENT_BASED, result_file
from saran.spark.parameters import Parameters
from saran.spark.stages import Stages
from saran.spark.tables import open_table, read_events
from saran.spark.train_recommender import Plan, train_recommender
from saran.spark.trained import Trained
from saran.spark.training_data import Rules, by_user, read_pairs, training_part

DAY = 86_400
BLEND = BlendParameters(trials=12, als=ALSParameters(rank=4, iterations=3))


def rows() -> list[Row]:
    """Two tastes: even users like even items, one a day; `e-old` was liked by most, long ago."""
    liked = [
        Row(f"user-{user:02}", f"item-{item:02}", DAY * (400 + item) + user)
        for user in range(24)
        for item in range(16)
        if user % 2 == item % 2 and (user + item) % 7
    ]
    return [*(Row(f"user-{user:02}", "e-old", user) for user in range(20)), *liked]


def write_catalogue(settings: Settings) -> None:
    """Items of two genres; nobody has touched `new`, which is of the odd ones."""
    records: list[dict[str, Any]] = [
        {
            "item_id": item,
            "title": f"Film {item}",
            "categories": [genre],
            "age_rating": age,
            "is_available": True,
            "attributes": [],
            "ingested_at": START,
            "kafka_partition": 0,
            "kafka_offset": place,
        }
        for place, (item, genre, age) in enumerate(
            [
                *((f"item-{item:02}", ("even", "odd")[item % 2], ("all", "13+")[item % 2]) for item in range(16)),
                ("e-old", "even", None),
                ("new", "odd", "13+"),
            ]
        )
    ]
    write_deltalake(settings.table_path(Table.SILVER_ITEMS), pa.Table.from_pylist(records, schema=SILVER_ITEMS))


def write_users(settings: Settings) -> None:
    """Eleven users of 18 to 24 years in the year of the newest event, nine of 25; the others' ages are not known."""
    year = (START + timedelta(days=415)).year
    ages: dict[str, int | None] = {f"user-{user:02}": 20 if user < 11 else 25 for user in range(20)}
    ages |= {"user-09": 18, "user-10": 24, "user-20": None, "without-events": 20}
    records: list[dict[str, Any]] = [
        {
            "user_id": user,
            "birth_year": None if age is None else year - age,
            "attributes": [],
            "ingested_at": START,
            "kafka_partition": 0,
            "kafka_offset": place,
        }
        for place, (user, age) in enumerate(ages.items())
    ]
    write_deltalake(settings.table_path(Table.SILVER_USERS), pa.Table.from_pylist(records, schema=SILVER_USERS))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("lists"))
    write_events(settings, rows())
    write_catalogue(settings)
    write_users(settings)
    return settings


def trained(spark: SparkSession, settings: Settings, told: Parameters, *, measure: bool = False) -> Trained[Manifest]:
    return train_recommender(
        spark, settings, Plan("test", Weights(), told, measure=measure, promote="always"), Stages()
    )


def gold(settings: Settings, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DeltaTable(settings.table_path(table)).to_pyarrow_table().to_pylist()
    return found


@pytest.mark.spark
def test_a_blend_is_measured_beside_its_parts_and_serves_what_nobody_touched(
    spark: SparkSession, settings: Settings
) -> None:
    done = trained(spark, settings, BLEND, measure=True)
    model = load_model(done.folder)
    assert {name: part.spec.kind for name, part in model.parts.items()} == {
        "neighbours": Kind.NEIGHBOURS,
        "ease": Kind.EASE,
        "als": Kind.ALS,
        "content": Kind.CONTENT,
        "popularity": Kind.POPULARITY,
        "rules": Kind.RULES,
        "repeats": Kind.REPEATS,
        "ages": Kind.AGES,
    }
    assert sum(part.spec.weight for part in model.parts.values()) == pytest.approx(1)
    assert done.manifest.parameters["als.rank"] == 4
    assert done.manifest.evaluation is not None
    figures = done.manifest.evaluation.metrics
    assert list(figures) == ["blend", "neighbours", "ease", "als", "content", "popularity"]
    # Each user's test items are of the user's taste, of which all but popularity know.
    assert figures["blend"]["ndcg@10"].value > figures["popularity"]["ndcg@10"].value

    recommender = Recommender(model)
    by, ranked = recommender.similar("new", 3)
    assert by == "content"
    assert all(int(recommender.item_ids[item][-2:]) % 2 for item in ranked.items)
    told = gold(settings, Table.GOLD_ITEM_NEIGHBOURS)
    for by, name in (("behaviour", COLLABORATIVE), ("content", CONTENT_BASED)):
        file = pq.read_table(Path(str(result_file(settings, name))))
        assert file.to_pylist() == [row for row in told if row["by"] == by]
    rows = [row for row in told if row["item_id"] == "new"]
    assert {row["by"] for row in rows} == {"content"}
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["neighbour_id"] for row in rows][:3] == [recommender.item_ids[item] for item in ranked.items]
    assert {row["model_version"] for row in rows} == {done.manifest.version}


@pytest.mark.spark
def test_popularity_forgets_and_counts_by_segment(spark: SparkSession, settings: Settings) -> None:
    done = trained(spark, settings, PopularityParameters(half_life_days=20))
    model = load_model(done.folder)
    ids = model.items.column("item_id").to_pylist()
    counts = dict(zip(ids, model.parts["popularity"].arrays["counts"].tolist(), strict=True))
    # Most users liked e-old, 415 days before the newest event; 11 like item-15, on the newest day, 10 item-14.
    assert counts["e-old"] == pytest.approx(20 * 2 ** (-415 / 20), rel=1e-5)
    assert counts["item-15"] == pytest.approx(11)
    assert counts["item-14"] == pytest.approx(10 * 2 ** (-1 / 20), rel=1e-5)
    assert ids[model.popularity[0]] == max(counts, key=lambda item: counts[item])

    rows = gold(settings, Table.GOLD_POPULARITY)
    overall = [row["item_id"] for row in rows if row["segment"] == "overall"]
    assert overall == [ids[item] for item in model.popularity]
    by_rank = {(row["segment"], row["value"], row["rank"]): row for row in rows}
    assert by_rank["category", "odd", 1]["item_id"] == by_rank["age", "13+", 1]["item_id"] == "item-15"
    assert by_rank["age", "all", 1]["users"] == 10
    assert "new" not in {row["item_id"] for row in rows if row["segment"] != "overall"}
    assert all(row["item_id"] == "e-old" for row in rows if row["value"] == "even" and row["rank"] == 9)

    # Of the eleven users of 18 to 24 years, as rows() has it; nine of 25 are too few.
    users = {
        f"item-{item:02}": sum(user % 2 == item % 2 and (user + item) % 7 > 0 for user in range(11))
        for item in range(16)
    }
    days = {f"item-{item:02}": 15 - item for item in range(16)}
    users["e-old"], days["e-old"] = 11, 415
    assert (users["item-15"], users["item-14"]) == (5, 5)
    of_age = [row for row in rows if row["segment"] == "user_age"]
    assert {row["value"] for row in of_age} == {"18-24"}
    assert {row["item_id"]: row["users"] for row in of_age} == users
    scores = {item: count * 2 ** (-days[item] / 20) for item, count in users.items()}
    assert {row["item_id"]: row["score"] for row in of_age} == pytest.approx(scores, rel=1e-5)
    assert [row["item_id"] for row in of_age] == sorted(scores, key=lambda item: -scores[item])
    assert [row["rank"] for row in of_age] == list(range(1, 18))

    ages = Recommender(model).ages
    assert ages is not None
    assert (ages.of(17), ages.of(25)) == (None, None)
    liked = ages.of(24)
    assert liked is not None
    assert (liked.group.name, liked.group.people) == ("18-24", 11)
    assert [ids[item] for item in liked.items] == [row["item_id"] for row in of_age]
    assert done.manifest.tables[Table.SILVER_USERS] == 0


@pytest.mark.spark
@pytest.mark.parametrize(
    ("told", "parts"),
    [
        (NeighbourParameters(method="cosine"), {"neighbours": 1.0, "rules": 0.0, "repeats": 0.0, "ages": 0.0}),
        (NeighbourParameters(), {"neighbours": 0.0, "ease": 1.0, "rules": 0.0, "repeats": 0.0, "ages": 0.0}),
        (NeighbourParameters(dense_items=3, next_items=0), {"neighbours": 1.0, "ages": 0.0}),
        (ContentParameters(), {"content": 1.0, "ages": 0.0}),
    ],
)
def test_a_version_has_the_parts_of_its_model(
    spark: SparkSession, settings: Settings, told: Parameters, parts: dict[str, float]
) -> None:
    done = trained(spark, settings, told)
    assert {name: part.spec.weight for name, part in load_model(done.folder).parts.items()} == parts


def pairs_to_choose_on(spark: SparkSession, settings: Settings) -> list[Sequence[Any]]:
    silver = open_table(settings, Table.SILVER_EVENTS)
    assert silver is not None
    rules = Rules(Weights(), 500)
    found = read_pairs(training_part(by_user(read_events(spark, silver)), rules), rules)
    return [found.user_ids, found.item_ids, *(list(column) for column in (found.past, found.future, found.past_days))]


@pytest.mark.spark
def test_weights_are_chosen_without_a_look_at_what_is_measured_on(
    spark: SparkSession, settings: Settings, tmp_path: Any
) -> None:
    """With other items in every user's newest fifth, what the weights are chosen on stays the same."""
    other = Settings(home=tmp_path)
    changed = []
    by_user_rows: dict[str, list[Row]] = {}
    for row in rows():
        by_user_rows.setdefault(row.user, []).append(row)
    for own in by_user_rows.values():
        own.sort(key=lambda row: row.second)
        held = max(1, len(own) // 5) if len(own) >= 5 else 0
        kept = len(own) - held
        changed += [row if place < kept else row._replace(item="other") for place, row in enumerate(own)]
    write_events(other, changed)
    assert pairs_to_choose_on(spark, other) == pairs_to_choose_on(spark, settings)


@pytest.mark.spark
def test_a_blend_without_a_validation_window_is_refused_with_the_fix(spark: SparkSession, tmp_path: Any) -> None:
    settings = Settings(home=tmp_path)
    write_events(settings, [Row("u", "a", 1), Row("u", "b", 2), Row("v", "a", 3)])
    with pytest.raises(SaranError, match=r"no user has enough events for a validation window.*saran train recommender"):
        trained(spark, settings, BLEND)


def test_a_wrong_parameter_lists_those_there_are() -> None:
    answer = CliRunner().invoke(app, ["train", "blend", "--set", "als.rnk=3"])
    assert isinstance(answer.exception, SaranError)
    assert "there is no parameter als.rnk" in answer.exception.message
    assert "als.rank (40)" in str(answer.exception.fix)
    answer = CliRunner().invoke(app, ["train", "content", "--help"])
    assert "saran train content" in answer.output
