"""Events to training data, against sums worked out by hand or by plain loops."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from apps.spark.tests.train_events import START, Row, write_events
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from saran.core.confidence import RateWeight, Weights
from saran.core.entities import ACTION_CODES
from saran.core.names import EXPOSURES, Table
from saran.core.settings import Settings
from saran.spark.tables import open_table, read_events
from saran.spark.training_data import HoldOut, Pairs, Rules, by_user, over_users, read_held_out, read_pairs

RULES = Rules(Weights(), history=500)


def _ordered(spark: SparkSession, home: Path, rows: list[Row]) -> DataFrame:
    settings = Settings(home=home)
    write_events(settings, rows)
    table = open_table(settings, Table.SILVER_EVENTS)
    assert table is not None
    return by_user(read_events(spark, table))


def _named(pairs: Pairs) -> dict[tuple[str, str], tuple[float, float, float]]:
    return {
        (pairs.user_ids[user], pairs.item_ids[item]): (strength, past, future)
        for user, item, strength, past, future in zip(
            pairs.users, pairs.items, pairs.strength, pairs.past, pairs.future, strict=True
        )
    }


def test_a_fifth_is_held_out_of_users_with_enough_events() -> None:
    counts = np.array([1, 4, 5, 9, 10, 104])
    assert HoldOut().kept_back(counts).tolist() == [0, 0, 1, 1, 2, 20]
    assert HoldOut(fraction=0.1).kept_back(counts).tolist() == [0, 0, 1, 1, 1, 10]


def test_users_stay_whole_however_batches_are_cut() -> None:
    users = ["a"] * 5 + ["b"] + ["c"] * 4
    table = pa.table({"user_id": users, "n": range(10)})
    whole = over_users(lambda rows: rows.combine_chunks().to_batches()[0])
    for size in range(1, 11):
        parts = list(whole(iter(table.to_batches(max_chunksize=size))))
        assert pa.Table.from_batches(parts).equals(table.cast(parts[0].schema))
        owners = [set(part.column("user_id").to_pylist()) for part in parts]
        assert sum(len(owner) for owner in owners) == 3, f"a user was cut at batches of {size}"


@pytest.mark.spark
def test_pairs_by_hand(spark: SparkSession, tmp_path: Path) -> None:
    rows = [
        Row("u", "a", 1, "view"),
        Row("u", "a", 2, "add_to_cart"),
        Row("u", "b", 3, "impression"),
        Row("u", "c", 4, "purchase"),
        Row("u", "a", 5, "click"),
        Row("short", "a", 1, "view"),
    ]
    pairs = read_pairs(_ordered(spark, tmp_path, rows), RULES)
    assert _named(pairs) == {
        ("u", "a"): (5.0, 4.0, 1.0),
        ("u", "c"): (5.0, 5.0, 0.0),
        ("short", "a"): (1.0, 1.0, 0.0),
    }
    assert pairs.user_ids == ["short", "u"]
    assert pairs.newest_event == START + timedelta(seconds=5)
    assert not pairs.synthetic


@pytest.mark.spark
def test_ratings_count_by_the_weights_given(spark: SparkSession, tmp_path: Path) -> None:
    rows = [Row("u", "a", 1, "rate", 4.5), Row("u", "b", 2, "rate", 2.0), Row("u", "c", 3, "rate")]
    rules = Rules(Weights(rate=RateWeight(minus=2.0, scale=2.0)), history=500)
    pairs = read_pairs(_ordered(spark, tmp_path, rows), rules)
    assert _named(pairs) == {("u", "a"): (5.0, 5.0, 0.0), ("u", "c"): (2.0, 2.0, 0.0)}


@pytest.mark.spark
def test_equal_times_are_ordered_as_histories_are(spark: SparkSession, tmp_path: Path) -> None:
    # The MD5 sums of a, b and c begin with 0c, 92 and 4a.
    rows = [Row("u", "last", 7, event_id="b"), Row("u", "first", 7, event_id="a"), Row("u", "middle", 7, event_id="c")]
    pairs = read_pairs(_ordered(spark, tmp_path, rows), Rules(Weights(), history=2))
    assert set(_named(pairs)) == {("u", "last"), ("u", "middle")}


@pytest.mark.spark
@pytest.mark.parametrize("source", ["shop-synthetic", "movies-simulated"])
def test_made_up_events_are_called_synthetic(spark: SparkSession, tmp_path: Path, source: str) -> None:
    rows = [Row("u", "a", 1, source="shop"), Row("v", "a", 2, source=source)]
    assert read_pairs(_ordered(spark, tmp_path, rows), RULES).synthetic


@pytest.mark.spark
def test_pairs_of_many_users_equal_plain_loops(spark: SparkSession, tmp_path: Path) -> None:
    chance = random.Random(5)
    weights = Weights()
    actions = {
        action: getattr(weights, action) for action in ("view", "click", "add_to_cart", "purchase", "impression")
    }
    rows = [
        Row(
            f"u{chance.randrange(60)}",
            f"i{chance.randrange(15)}",
            chance.randrange(900),
            chance.choice(list(actions)),
            event_id=str(number),
        )
        for number in range(3000)
    ]
    history, expected = 20, defaultdict[tuple[str, str], list[float]](lambda: [0.0, 0.0, 0.0])
    for user in {row.user for row in rows}:
        events = sorted((row for row in rows if row.user == user), key=_place)
        held = int(len(events) * 0.2) if len(events) >= 5 else 0
        rest, newest = events[: len(events) - held], events[len(events) - held :]
        for column, part in enumerate((events[-history:], rest[-history:], newest)):
            for row in part:
                if actions[row.action]:
                    expected[user, row.item][column] += actions[row.action]
    pairs = read_pairs(_ordered(spark, tmp_path, rows), Rules(weights, history))
    assert _named(pairs) == {key: tuple(value) for key, value in expected.items()}
    assert np.all(np.diff(pairs.users * 100 + pairs.items) > 0), "not sorted by user, then item"


def _place(row: Row) -> tuple[int, str]:
    """Where a row stands in its user's history."""
    return row.second, hashlib.md5(str(row.event_id).encode(), usedforsecurity=False).hexdigest()


@pytest.mark.spark
def test_the_past_does_not_know_the_future(spark: SparkSession, tmp_path: Path) -> None:
    past = [Row(f"u{user}", f"i{(user * 7 + n) % 11}", n, "view") for user in range(8) for n in range(8)]
    future = [Row(f"u{user}", f"i{n}", 100 + n, "purchase") for user in range(8) for n in range(2)]
    other = [
        Row(f"u{user}", f"{'new' if n else 'i'}{user}", 200 - 50 * n, "add_to_cart")
        for user in range(8)
        for n in range(2)
    ]
    one = read_pairs(_ordered(spark, tmp_path / "one", past + future), RULES)
    two = read_pairs(_ordered(spark, tmp_path / "two", past + other), RULES)

    def known(pairs: Pairs) -> dict[tuple[str, str], float]:
        return {key: value[1] for key, value in _named(pairs).items() if value[1]}

    assert known(one) == known(two)
    assert sum(one.future) == 8 * 2 * 5
    assert sum(two.future) == 8 * 2 * 3


@pytest.mark.spark
def test_held_out_users_by_hand(spark: SparkSession, tmp_path: Path) -> None:
    rows = [
        *[Row("u", f"i{n}", n) for n in range(8)],
        Row("u", "new", 8, "purchase"),
        Row("u", "i3", 9),  # seen before: no list can hold it
        *[Row("dull", f"i{n}", n) for n in range(4)],
        Row("dull", "i9", 4, "impression"),
        *[Row("other", f"i{n}", n) for n in range(10)],
    ]
    events = _ordered(spark, tmp_path, rows)
    found = read_held_out(events, Rules(Weights(), history=3), ["dull", "u"])
    assert found.user_ids == ["u"]
    assert found.histories[0].item_ids == ["i5", "i6", "i7"]
    assert found.histories[0].actions.tolist() == [ACTION_CODES["view"]] * 3
    assert np.isnan(found.histories[0].values).all()
    # i3 lies before the three events that a history of 3 shows, so that a list may hold it.
    assert found.relevant == [["i3", "new"]]
    assert read_held_out(events, RULES, ["dull", "u"]).relevant == [["new"]]


@pytest.mark.spark
def test_events_are_read_at_the_version_given(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write_events(settings, [Row("u", "a", 1)])
    write_events(settings, [Row("u", "b", 2)])
    path = settings.table_path(Table.SILVER_EVENTS)
    assert read_events(spark, DeltaTable(path, version=0)).count() == 1
    assert read_events(spark, DeltaTable(path)).count() == 2


@pytest.mark.spark
def test_what_an_experiment_showed_is_no_event_of_a_user(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    shown = [Row("u", f"i{n}", n, action="impression", source=EXPOSURES) for n in range(3)]
    write_events(settings, [*shown, Row("u", "a", 9), Row("u", "b", 8, action="impression")])
    found = read_events(spark, DeltaTable(settings.table_path(Table.SILVER_EVENTS)))
    assert sorted(row.item_id for row in found.select("item_id").collect()) == ["a", "b"]
