"""The three systems: long-format properties, joined and derived data, and real samples where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from saran.core.codec import encode_items
from saran.core.datasets import SYNTHETIC_MARKER, Dataset, Origin, SpecError, load_spec, open_dataset
from saran.core.datasets.titles import title_key, year
from saran.core.entities import Item
from saran.core.settings import CHECKOUT, Settings

SHARED = Path(os.environ.get("SARAN_SHARED_DATA", CHECKOUT.parent / "shared" / "data"))

MOVIES_HEADER = "id,name,date,tagline,description,minute,rating,genre,studio,theme,country,actors,poster_filename\n"


@pytest.fixture
def settings() -> Settings:
    return Settings(data=None)


def real(name: str) -> Path:
    """A folder of real samples, or a skipped test."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"no real samples in {folder}: set SARAN_SHARED_DATA to the folder that holds {name}/")
    return folder


def opened(settings: Settings, name: str, folder: Path) -> Dataset:
    return open_dataset(load_spec(name, settings), settings, data=folder)


def catalogue(dataset: Dataset) -> pl.DataFrame:
    blocks = list(dataset.read_items())
    for block in blocks:
        assert block.rows == block.items.height + block.rejected.height
        assert [Item.model_validate_json(text).item_id for text in encode_items(block.items)] == list(
            block.items["item_id"]
        )
    return pl.concat([block.items.drop("attributes") for block in blocks])


@pytest.fixture
def movies(tmp_path: Path) -> Path:
    """Five films: three are MovieLens', one is not, one has a wrong rating."""
    (tmp_path / "final_movies_dataset.csv").write_text(
        MOVIES_HEADER
        + '1000001,Toy Story,1995,,"Toys, alive",81,4.1,"Animation, Comedy",Pixar,Toys,USA,Tom Hanks,1000001.jpg\n'
        + "1000002,The Matrix,1999.0,,,136,4.3,\"['Action', 'Science Fiction']\",WB,AI,USA,Keanu Reeves,gone.jpg\n"
        + "1000003,Amelie,2001,,,122,4.2,Romance|Comedy,,,France,,\n"
        + "1000004,Toy Story,2050,,,,,,,,,,\n"
        + "1000005,Bad,2001,,,,six,Drama,,,,,\n",
        encoding="utf-8",
    )
    (tmp_path / "posters").mkdir()
    (tmp_path / "posters" / "1000001.jpg").write_bytes(b"\xff\xd8")
    return tmp_path


def test_movies_images_and_derived_ages(settings: Settings, movies: Path) -> None:
    dataset = opened(settings, "movies", movies)
    (block,) = dataset.read_items()
    columns = ["item_id", "release_date", "categories", "image_url", "age_rating"]
    assert list(block.items.select(columns).iter_rows()) == [
        ("1000001", "1995", ["Animation", "Comedy"], "/media/posters/1000001.jpg", "all"),
        ("1000002", "1999", ["Action", "Science Fiction"], None, "13+"),
        ("1000003", "2001", ["Romance", "Comedy"], None, "7+"),
        ("1000004", "2050", [], None, "13+"),
    ]
    assert set(block.items["attributes"].struct.field("age_rating_source")) == {"derived"}
    assert list(block.rejected.select("line", "reason").iter_rows()) == [(6, "rating (rating) is not a number")]
    assert dataset.media_folder == movies


def test_movies_certificates_from_files_are_given(settings: Settings, movies: Path) -> None:
    (movies / "imdb_top_1000.csv").write_text("Series_Title,Released_Year,Certificate\nThe Matrix,1999,A\n")
    (movies / "movie_stats_7668.csv").write_text(
        "name,rating,genre,year\nThe Matrix,R,Action,1999\nAmélie,R,Romance,2001\nToy Story,Not Rated,x,1995\n"
    )
    (block,) = opened(settings, "movies", movies).read_items()
    told = block.items.select("age_rating", pl.col("attributes").struct.unnest())
    assert list(told.select("age_rating", "certificate", "age_rating_source").iter_rows()) == [
        ("all", "G", "derived"),
        ("18+", "A", "given"),
        ("17+", "R", "given"),
        ("13+", "PG-13", "derived"),
    ]


def test_movies_interactions_are_movielens_ratings(settings: Settings, movies: Path) -> None:
    dataset = opened(settings, "movies", movies)
    assert dataset.interactions is Origin.DERIVED
    assert dataset.source == "movies-movielens"
    blocks = list(dataset.read_events())
    events = pl.concat([block.events for block in blocks])
    # MovieLens has 215 ratings of Toy Story, 278 of The Matrix and 120 of Amelie.
    assert dict(events.group_by("item_id").len().iter_rows()) == {"1000001": 215, "1000002": 278, "1000003": 120}
    assert sum(block.left_out for block in blocks) == 100_836 - 613
    assert all(block.rows == block.events.height + block.rejected.height + block.left_out for block in blocks)
    assert set(events["source"]) == {"movies-movielens"}
    own = {block.first_row: block for block in opened(settings, "movies", movies).read_events(start_row=100_000)}
    assert own[100_000].events.equals(events.filter(pl.concat([b.event_rows for b in blocks]) >= 100_000))


def test_movies_without_a_match_are_simulated(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "final_movies_dataset.csv").write_text(MOVIES_HEADER + "1,Nothing Like It,1995,,,,,,,,,,\n")
    dataset = opened(settings, "movies", tmp_path)
    assert dataset.interactions is Origin.SIMULATED
    assert dataset.source == "movies-simulated"
    with pytest.raises(SpecError, match="has no interactions to read: simulate them"):
        dataset.read_events()


def test_a_made_up_film_does_not_get_the_ratings_of_its_namesake(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "final_movies_dataset.csv").write_text(MOVIES_HEADER + "1,Toy Story,1995,,,,,,,,,,\n")
    assert opened(settings, "movies", tmp_path).interactions is Origin.DERIVED
    (tmp_path / SYNTHETIC_MARKER).touch()
    dataset = opened(settings, "movies", tmp_path)
    assert dataset.synthetic
    assert (dataset.interactions, dataset.source) == (Origin.SIMULATED, "movies-simulated")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Matrix, The", "The Matrix"),
        ("Amélie (Fabuleux destin d'Amélie Poulain, Le)", "Amelie"),
        ("Postman, The (Postino, Il)", "the postman"),
        ("The Avengers", "Avengers"),
        ("Fast & Furious", "Fast and Furious"),
        ("Schindler's List", "Schindlers  list!"),
        ("Spider-Man: Homecoming", "Spider Man Homecoming"),
    ],
)
def test_titles_that_mean_one_film(one: str, other: str) -> None:
    keys = pl.select(title_key(pl.lit(one)).alias("a"), title_key(pl.lit(other)).alias("b")).row(0)
    assert keys[0] == keys[1]


def test_titles_and_years_that_differ() -> None:
    titles = pl.Series(["Alien", "Aliens", "???", None]).to_frame("t").select(title_key(pl.col("t"))).to_series()
    assert titles.to_list() == ["alien", "aliens", None, None]
    texts = pl.Series(["1999.0", "2001-05-02", "PG", None]).to_frame("t").select(year(pl.col("t"))).to_series()
    assert texts.to_list() == ["1999", "2001", None, None]


EVENTS = (
    "timestamp,visitorid,event,itemid,transactionid\n"
    "1433221332117,257597,view,355908,\n1433224214164,992329,addtocart,248676,\n1433221999827,1,transaction,355908,7\n"
)


def test_retailrocket_properties_take_the_newest_value(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(EVENTS)
    header = "timestamp,itemid,property,value\n"
    (tmp_path / "item_properties_part1.csv").write_text(
        header + "1435460400000,460429,categoryid,1338\n1441508400000,206783,888,1116713 960601 n277.200\n"
        "1439089200000,355908,available,0\n1431226800000,355908,available,1\n"
    )
    (tmp_path / "item_properties_part2.csv").write_text(
        header + "x,460429,categoryid,1\n1435460400001,460429,categoryid,1016\n"
    )
    (tmp_path / "category_tree.csv").write_text("categoryid,parentid\n1016,213\n231,\n")
    dataset = opened(settings, "retailrocket", tmp_path)
    assert list(catalogue(dataset).select("item_id", "categories", "is_available").iter_rows()) == [
        ("355908", [], False),
        ("460429", ["1016", "213"], True),
        ("248676", [], True),
    ]
    rejected = pl.concat([block.rejected for block in dataset.read_items()])
    assert list(rejected.select("file", "line", "reason").iter_rows()) == [
        ("item_properties_part2.csv", 2, "time (timestamp) is not a whole number")
    ]


def test_retailrocket_without_properties_has_the_items_of_its_events(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(EVENTS)
    assert catalogue(opened(settings, "retailrocket", tmp_path))["item_id"].to_list() == ["355908", "248676"]


def test_amazon_products(settings: Settings, tmp_path: Path) -> None:
    header = "asin,title,imgUrl,productURL,stars,reviews,price,listPrice,category_id,isBestSeller,boughtInLastMonth\n"
    (tmp_path / "amazon_products.csv").write_text(
        header + 'A1,"Case, 29"" wide",https://i/1.jpg,https://p/1,4.5,12,139.99,0,104,True,2000\n'
        "A2,Bag,,,0.0,0,0.0,209.99,999,FALSE,0\nA3,Bad,,,4.5,1.5,-1,0,1,FALSE,0\n"
    )
    dataset = opened(settings, "amazon", tmp_path)
    assert (dataset.interactions, dataset.source) == (Origin.SIMULATED, "amazon-simulated")
    (block,) = dataset.read_items()
    columns = ["item_id", "title", "categories", "price", "list_price", "rating", "rating_count"]
    assert list(block.items.select(columns).iter_rows()) == [
        ("A1", 'Case, 29" wide', ["Suitcases"], 139.99, None, 4.5, 12),
        ("A2", "Bag", [], None, 209.99, None, 0),
    ]
    assert block.items["attributes"].to_list() == [
        {"category_id": "104", "is_best_seller": "true", "bought_in_last_month": "2000"},
        {"category_id": "999", "is_best_seller": "false", "bought_in_last_month": "0"},
    ]
    assert block.rejected["reason"].to_list() == [
        "price (price) is less than 0; rating_count (reviews) is not a whole number"
    ]


def test_real_amazon_products(settings: Settings, tmp_path: Path) -> None:
    slice_ = real("amazon") / "amazon_products_us_slice.csv"
    (tmp_path / "amazon_products.csv").symlink_to(slice_)
    items = catalogue(opened(settings, "amazon", tmp_path))
    assert items.height == 597
    assert items["categories"].list.len().unique().to_list() == [1]
    assert items.row(0, named=True)["title"] == "Sion Softside Expandable Roller Luggage, Black, Checked-Large 29-Inch"


def test_real_certificates(settings: Settings, tmp_path: Path) -> None:
    folder = real("movies")
    for name in ("imdb_top_1000.csv", "movie_stats_7668.csv"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "final_movies_dataset.csv").write_text(
        MOVIES_HEADER + "1,The Shawshank Redemption,1994,,,,,Drama,,,,,\n2,The Blue Lagoon,1980,,,,,Drama,,,,,\n"
    )
    (block,) = opened(settings, "movies", tmp_path).read_items()
    told = block.items.select("age_rating", pl.col("attributes").struct.unnest())
    assert list(told.select("age_rating", "certificate", "age_rating_source").iter_rows()) == [
        ("18+", "A", "given"),
        ("17+", "R", "given"),
    ]


def test_real_category_tree(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "category_tree.csv").symlink_to(real("retailrocket") / "category_tree.csv")
    (tmp_path / "events.csv").write_text(EVENTS)
    (tmp_path / "item_properties_part1.csv").write_text("timestamp,itemid,property,value\n1,9,categoryid,1016\n")
    assert catalogue(opened(settings, "retailrocket", tmp_path))["categories"].to_list() == [["1016", "213"], [], []]
