"""The Retail Rocket stand-in: published proportions, the funnel's order, and the same bytes for the same seed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from saran.core.datasets import SYNTHETIC_MARKER
from saran.core.errors import SaranError
from saran.producer.interactions import ITEMS, ROWS, VISITORS
from saran.producer.synthetic import shape
from saran.producer.synthetic.make import synthesise

FILES = ("events.csv", "item_properties_part1.csv", "item_properties_part2.csv", "category_tree.csv")
SIZE = 200_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("retailrocket")
    synthesise("retailrocket", out, rows=SIZE, seed=7)
    return out


@pytest.fixture(scope="module")
def events(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / "events.csv", schema_overrides={"transactionid": pl.Int64})


def _header(path: Path) -> str:
    return path.read_text().partition("\n")[0]


def _digest(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


def test_columns_are_the_original_ones(folder: Path) -> None:
    headers = {name: _header(folder / name) for name in FILES}
    assert headers == {
        "events.csv": "timestamp,visitorid,event,itemid,transactionid",
        "item_properties_part1.csv": "timestamp,itemid,property,value",
        "item_properties_part2.csv": "timestamp,itemid,property,value",
        "category_tree.csv": "categoryid,parentid",
    }


def test_totals_keep_the_published_proportions_exactly(events: pl.DataFrame) -> None:
    counts = dict(events.group_by("event").len().iter_rows())
    assert counts == {
        "view": SIZE - round(SIZE * 69_332 / ROWS) - round(SIZE * 22_457 / ROWS),
        "addtocart": round(SIZE * 69_332 / ROWS),
        "transaction": round(SIZE * 22_457 / ROWS),
    }
    assert events["visitorid"].n_unique() == round(SIZE * VISITORS / ROWS)
    assert events["itemid"].n_unique() == round(SIZE * ITEMS / ROWS)


def test_full_size_plan_is_the_published_totals() -> None:
    from saran.producer.interactions import Plan

    assert Plan.scaled(2_756_101) == Plan(2_664_312, 69_332, 22_457, 1_407_580)


def test_transaction_ids_are_integers_of_transactions_alone(events: pl.DataFrame) -> None:
    given = events["transactionid"].is_not_null()
    assert (given == (events["event"] == "transaction")).all()
    assert events["transactionid"].min() == 0


def test_carts_follow_views_and_transactions_follow_carts_of_the_same_pair(events: pl.DataFrame) -> None:
    pair = ["visitorid", "itemid"]
    first = events.group_by([*pair, "event"]).agg(pl.col("timestamp").min())
    for earlier, later in (("view", "addtocart"), ("addtocart", "transaction")):
        joined = first.filter(pl.col("event") == later).join(
            first.filter(pl.col("event") == earlier), on=pair, how="left", suffix="_before"
        )
        assert joined["timestamp_before"].null_count() == 0
        assert (joined["timestamp_before"] <= joined["timestamp"]).all()


def test_days_and_weekdays_follow_the_calibrated_shape(events: pl.DataFrame) -> None:
    moments = events["timestamp"].to_numpy()
    assert moments.min() >= shape.START_MS
    assert moments.max() < shape.END_MS
    hours = np.bincount((moments - shape.START_MS) // shape.HOUR_MS, minlength=len(shape.hourly_weights()))
    expected = shape.hourly_weights() / shape.hourly_weights().sum() * len(moments)
    days, expected_days = (np.add.reduceat(values, np.arange(0, len(values), 24)) for values in (hours, expected))
    assert np.abs(days / expected_days - 1).max() < 0.10
    assert events["timestamp"].is_sorted() is False


def test_activity_is_heavy_tailed_as_published(events: pl.DataFrame) -> None:
    visitors = events.group_by("visitorid").len()["len"]
    assert 0.66 < int((visitors == 1).sum()) / len(visitors) < 0.75
    items = events.group_by("itemid").len()["len"].sort(descending=True)
    assert items.head(len(items) // 100).sum() / SIZE > 0.10


def test_properties_and_tree_know_every_item(folder: Path, events: pl.DataFrame) -> None:
    properties = pl.concat([pl.read_csv(folder / name, schema_overrides={"value": pl.String}) for name in FILES[1:3]])
    tree = pl.read_csv(folder / "category_tree.csv")
    assert set(events["itemid"]) <= set(properties["itemid"])
    categories = properties.filter(pl.col("property") == "categoryid")["value"].cast(pl.Int64)
    assert set(categories) <= set(tree["categoryid"])
    assert set(tree["parentid"].drop_nulls()) <= set(tree["categoryid"])
    assert tree["categoryid"].is_unique().all()
    assert set(properties.filter(pl.col("property") == "available")["value"]) == {"0", "1"}


def test_taste_makes_items_of_a_visitor_share_a_category(folder: Path, events: pl.DataFrame) -> None:
    properties = pl.concat([pl.read_csv(folder / name, schema_overrides={"value": pl.String}) for name in FILES[1:3]])
    category = properties.filter(pl.col("property") == "categoryid").select("itemid", category="value")
    pairs = (
        events.filter(pl.col("event") == "view").unique(["visitorid", "itemid"]).join(category, on="itemid", how="left")
    )
    two = pairs.group_by("visitorid").agg(pl.col("category").head(2)).filter(pl.col("category").list.len() == 2)
    same = (two["category"].list.get(0) == two["category"].list.get(1)).mean()
    shares = category.group_by("category").len()["len"] / category.height
    assert isinstance(same, float)
    assert same > 5 * float((shares**2).sum())


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(folder: Path, tmp_path: Path) -> None:
    synthesise("retailrocket", tmp_path / "same", rows=SIZE, seed=7)
    synthesise("retailrocket", tmp_path / "other", rows=SIZE, seed=8)
    assert _digest(tmp_path / "same") == _digest(folder)
    assert all(_digest(tmp_path / "other")[name] != digest for name, digest in _digest(folder).items())


@pytest.mark.parametrize("rows", [1, 2, 50, 1000])
def test_small_ones_work_and_have_the_asked_number_of_rows(rows: int, tmp_path: Path) -> None:
    synthesise("retailrocket", tmp_path, rows=rows)
    assert pl.read_csv(tmp_path / "events.csv").height == rows


def test_it_says_synthetic_and_never_writes_over_real_files(folder: Path, tmp_path: Path) -> None:
    assert "Synthetic" in (folder / SYNTHETIC_MARKER).read_text()
    (tmp_path / "events.csv").write_text("real")
    with pytest.raises(SaranError, match="no stand-in"):
        synthesise("retailrocket", tmp_path, rows=10)
    assert (tmp_path / "events.csv").read_text() == "real"
