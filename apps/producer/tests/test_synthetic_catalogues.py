"""The Amazon and the movies stand-in."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from saran.core.datasets import load_spec, open_dataset
from saran.core.errors import SaranError
from saran.core.settings import load_settings
from saran.producer.synthetic.make import synthesise
from saran.producer.synthetic.movies import POSTERS

AMAZON = "asin,title,imgUrl,productURL,stars,reviews,price,listPrice,category_id,isBestSeller,boughtInLastMonth"
MOVIES = "id,name,date,tagline,description,minute,rating,genre,studio,theme,country,actors,poster_filename"


def _header(path: Path) -> str:
    return path.read_text().partition("\n")[0]


def test_amazon_has_the_original_columns_unique_asins_and_248_categories(tmp_path: Path) -> None:
    synthesise("amazon", tmp_path, rows=50_000, seed=3)
    assert _header(tmp_path / "amazon_products.csv") == AMAZON
    products = pl.read_csv(tmp_path / "amazon_products.csv")
    categories = pl.read_csv(tmp_path / "amazon_categories.csv")
    assert products.height == 50_000
    assert products["asin"].is_unique().all()
    assert products["asin"].str.contains(r"^B0[0-9A-Z]{8}$").all()
    assert categories["id"].to_list() == list(range(1, 249))
    assert categories["category_name"].n_unique() == 248
    assert set(products["category_id"]) <= set(categories["id"])
    assert products["stars"].is_between(0, 5).all()
    assert (products.filter(pl.col("listPrice") > 0).select(pl.col("listPrice") >= pl.col("price"))).to_series().all()


def test_movies_have_the_original_columns_and_posters_that_exist(tmp_path: Path) -> None:
    synthesise("movies", tmp_path, rows=500, seed=3)
    assert _header(tmp_path / "final_movies_dataset.csv") == MOVIES
    films = pl.read_csv(tmp_path / "final_movies_dataset.csv")
    named = films["poster_filename"].drop_nulls().to_list()
    assert len(named) == POSTERS
    assert {path.name for path in (tmp_path / "posters").iterdir()} == set(named)
    assert all((tmp_path / "posters" / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n") for name in named)
    assert films["rating"].is_between(0, 5).all()
    assert films["id"].is_unique().all()


@pytest.mark.parametrize("dataset", ["amazon", "movies"])
def test_the_same_seed_gives_the_same_bytes(dataset: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        synthesise(dataset, tmp_path / name, rows=300, seed=5)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) > 2
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


@pytest.mark.parametrize(("dataset", "rows"), [("amazon", 2_000), ("movies", 700), ("retailrocket", 5_000)])
def test_the_specs_read_every_row(dataset: str, rows: int, tmp_path: Path) -> None:
    synthesise(dataset, tmp_path, rows=rows, seed=5)
    settings = load_settings()
    opened = open_dataset(load_spec(dataset, settings), settings, data=tmp_path)
    blocks = list(opened.read_items())
    assert opened.synthetic
    assert sum(block.rejected.height for block in blocks) == 0
    items = sum(block.items.height for block in blocks)
    assert items == (rows if dataset != "retailrocket" else round(rows * 235_061 / 2_756_101))


def test_amazon_refuses_more_rows_than_the_real_file_has(tmp_path: Path) -> None:
    with pytest.raises(SaranError, match="1,426,337"):
        synthesise("amazon", tmp_path, rows=2_000_000)


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SaranError, match="retailrocket, amazon, movies"):
        synthesise("movielens", tmp_path)
