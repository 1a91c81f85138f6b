"""Rules counted by Spark from silver's events, beside plain loops over the same sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from apps.spark.tests.plain_sessions import ITEMS, TRAIN, plain_rules
from apps.spark.tests.train_events import Row, write_events
from pyspark.sql import DataFrame, SparkSession

from saran.core.confidence import Weights
from saran.core.model_folder import load_model
from saran.core.model_parts import Part, next_items
from saran.core.settings import Settings
from saran.spark.from_manifest import differing_files, plan_again
from saran.spark.list_parameters import NeighbourParameters
from saran.spark.session_files import sequences
from saran.spark.session_models import RuleParameters, Visits
from saran.spark.session_repeats import read_repeats
from saran.spark.session_rules import BACK, RATE, SOURCE_RATE, SOURCES, read_rules
from saran.spark.stages import Stages
from saran.spark.tables import read_events, silver_events
from saran.spark.train_recommender import Plan, train_recommender
from saran.spark.training_data import by_user

pytestmark = pytest.mark.spark
MINUTE = 60
IDS = [f"item-{item:02}" for item in range(ITEMS)]


def write(home: Path, rows: list[Row]) -> Settings:
    settings = Settings(home=home)
    write_events(settings, rows)
    return settings


def ordered(spark: SparkSession, settings: Settings) -> DataFrame:
    return by_user(read_events(spark, silver_events(settings, None), Plan("test", Weights()).window))


def rules(spark: SparkSession, settings: Settings, told: NeighbourParameters, ids: list[str]) -> Part:
    return read_rules(ordered(spark, settings), Weights(), pa.chunked_array([ids]), told)


def named(part: Part, ids: list[str], source: str) -> dict[str, float]:
    row = ids.index(source)
    mine = slice(part.arrays["starts"][row], part.arrays["starts"][row + 1])
    return {ids[i]: float(n) for i, n in zip(part.arrays["items"][mine], part.arrays["nearness"][mine], strict=True)}


def test_rules_and_repeats_are_those_that_are_evaluated(spark: SparkSession, tmp_path: Path) -> None:
    settings = write(
        tmp_path,
        [
            Row(f"user-{number:02}", IDS[item], 86_400 * number + MINUTE * place)
            for number, session in enumerate(TRAIN)
            for place, item in enumerate(session)
        ],
    )
    found = next_items({"rules": rules(spark, settings, NeighbourParameters(next_items=1000), IDS)})
    assert found is not None
    own = RuleParameters(sources=SOURCES, source_rate=SOURCE_RATE, rate=RATE, back=BACK, half_life=1e9)
    for prefix in ([3], [3, 4], [7, 7, 9, 2, 1]):
        expected = plain_rules(prefix, own)
        answer = found.after(np.array(prefix))
        assert dict(zip(answer.items.tolist(), answer.shares.sum(axis=0).tolist(), strict=True)) == pytest.approx(
            {item: score / sum(expected.values()) for item, score in expected.items() if score}, rel=1e-4
        )
    repeats = read_repeats(ordered(spark, settings), Weights(), NeighbourParameters())
    evaluated = Visits(sequences(TRAIN), ITEMS).repeats
    assert 0 < evaluated.share < 1
    assert repeats.spec.parameters["share"] == evaluated.share
    np.testing.assert_array_equal(repeats.arrays["chances"], evaluated.chances.astype(np.float32))


def test_pauses_other_users_and_mere_impressions_end_or_leave_no_trace(spark: SparkSession, tmp_path: Path) -> None:
    ids = ["a", "b", "c", "d"]
    settings = write(
        tmp_path,
        [
            Row("u", "a", 0),
            Row("u", "d", 1, "impression"),
            Row("u", "b", 30 * MINUTE - 1),
            Row("u", "c", 60 * MINUTE - 1),
            Row("v", "c", 60 * MINUTE),
            Row("v", "c", 61 * MINUTE),
            Row("w", "a", 0),
            Row("w", "gone", 1),
            Row("w", "b", 2),
        ],
    )
    part = rules(spark, settings, NeighbourParameters(), ids)
    step = np.exp(-1 / RATE)
    assert named(part, ids, "a") == pytest.approx({"b": 1 + step}, rel=1e-5)
    assert named(part, ids, "b") == pytest.approx({"a": BACK * (1 + step)}, rel=1e-5)
    assert named(part, ids, "c") == pytest.approx({"c": 1 + BACK}, rel=1e-5)
    assert named(part, ids, "d") == {}
    assert part.spec.weight == 0


def test_the_most_frequent_are_kept(spark: SparkSession, tmp_path: Path) -> None:
    ids = ["a", "b", "c", "d"]
    sessions = ["ab", "ac", "ac", "ad"]
    events = [Row(f"u{n}", item, place) for n, session in enumerate(sessions) for place, item in enumerate(session)]
    part = rules(spark, write(tmp_path, events), NeighbourParameters(next_items=2), ids)
    # b and d followed once each: of equal ones the first by id is kept.
    assert named(part, ids, "a") == {"c": 2.0, "b": 1.0}


def test_a_version_has_its_rules_and_is_made_again_with_them(spark: SparkSession, tmp_path: Path) -> None:
    settings = write(
        tmp_path,
        [Row(f"u{user}", f"i{(user + place) % 7}", 100 * place) for user in range(12) for place in range(6)],
    )
    made = train_recommender(
        spark, settings, Plan("test", Weights(), NeighbourParameters(), measure=False, promote="always"), Stages()
    )
    part = load_model(made.folder).parts["rules"]
    # Each of the 12 users goes on from an item to the one after it, but from the last of the six.
    ids = [f"i{item}" for item in range(7)]
    assert max(named(part, ids, "i0"), key=named(part, ids, "i0").__getitem__) == "i1"
    recipe = load_model(made.folder).manifest
    again = load_model(train_recommender(spark, settings, plan_again(recipe), Stages()).folder).manifest
    assert {"rules.nearness.npy", "repeats.chances.npy"} <= set(recipe.sha256)
    assert differing_files(recipe, again) == []
    none = NeighbourParameters(next_items=0)
    bare = train_recommender(spark, settings, Plan("test", Weights(), none, measure=False, promote="never"), Stages())
    assert not {"rules", "repeats"} & load_model(bare.folder).parts.keys()
