"""The report of the data: each figure as arithmetic demands, and the same sample each time."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from saran.core.errors import SaranError
from saran.core.names import Table
from saran.core.settings import Settings
from saran.sql.explore import explore_files, explore_tables, report_file, sample
from saran.sql.profile import BINS

HEADER = "asin,title,price,stars,category_id\n"


@pytest.fixture
def products(tmp_path: Path) -> Path:
    """1,000 products: price 0 to 999, stars equal price, the tenth without a title, of two categories; one repeated."""
    lines = [
        f"p{n},{'' if n % 10 == 0 else f'<Thing> {n % 3}'},{n},{n},{'toys' if n < 750 else 'books'}\n"
        for n in range(999)
    ]
    file = tmp_path / "products.csv"
    file.write_text(HEADER + "".join([*lines, lines[-1]]))
    return file


def test_each_figure_of_a_column(products: Path, tmp_path: Path) -> None:
    (found,) = explore_files(Settings(home=tmp_path / "home"), "Shop", [products]).tables
    assert (found.rows, found.repeated, found.missing) == (1000, 1, 100 / 5000)
    columns = {one.name: one for one in found.columns}
    price = columns["price"]
    assert (price.type, price.missing, price.low, price.high) == ("BIGINT", 0, 0, 998)
    assert price.mean == pytest.approx((sum(range(999)) + 998) / 1000)
    assert price.quartiles == pytest.approx((250, 500, 750), abs=3)
    assert price.histogram is not None
    assert len(price.histogram.counts) == BINS
    assert sum(price.histogram.counts) + price.histogram.beyond == 1000
    assert max(price.histogram.counts) - min(price.histogram.counts) <= 2, "prices are uniform"
    title = columns["title"]
    assert title.missing == 100
    assert title.top == [("<Thing> 2", 301), ("<Thing> 1", 300), ("<Thing> 0", 299)]
    assert columns["asin"].top == [], "each is another one"


def test_relations_and_correlations(products: Path, tmp_path: Path) -> None:
    (found,) = explore_files(Settings(home=tmp_path / "home"), "Shop", [products]).tables
    relation = next(one for one in found.relations if one.by == "category_id")
    assert relation.measures == ["price", "stars"]
    assert relation.groups[0] == ("toys", 750, [374.5, 374.5])
    ((first, second, value),) = found.correlations
    assert (first, second) == ("price", "stars")
    assert value == pytest.approx(1)


def test_the_page_stands_alone_and_takes_data_as_text(products: Path, tmp_path: Path) -> None:
    report = explore_files(Settings(home=tmp_path / "home"), "A & B", [products])
    assert report.file == report_file(Settings(home=tmp_path / "home"))
    page = report.file.read_text()
    assert "<h1>A &amp; B</h1>" in page
    assert "<Thing>" not in page
    assert "&lt;Thing&gt; 0" in page
    for outside in ("http://", "https://", "<script", "@import", "url("):
        assert outside not in page
    assert "products.csv: 1,000 rows" in page
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["explore"], "nothing else is left behind"


def test_tables_of_silver_are_profiled(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(SaranError, match="no table yet"):
        explore_tables(settings, "Shop")
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(240)]
    events = {"user_id": [f"u{n % 4}" for n in range(240)], "event_time": pa.array(times, pa.timestamp("us", "UTC"))}
    write_deltalake(settings.table_path(Table.SILVER_EVENTS), pa.table(events))
    lists = pa.table({"item_id": list("abcd"), "categories": [["x", "y"], ["x"]] * 2, "price": [1.0, 3.0] * 2})
    write_deltalake(settings.table_path(Table.SILVER_ITEMS), lists)
    items, found = explore_tables(settings, "Shop").tables
    (time,) = (one for one in found.columns if one.name == "event_time")
    assert time.histogram is not None
    assert time.histogram.counts == [10] * BINS
    (relation,) = items.relations
    assert (relation.by, relation.groups) == ("categories", [("x", 4, [2.0]), ("y", 2, [1.0])])
    page = report_file(settings).read_text()
    assert "24 rows a day by event_time" not in page
    assert "silver.events: 27 rows a day by event_time over 9 days" in page
    assert "silver.items: median price 2.00, mean 2.00" in page


def test_a_sample_has_the_same_lines_each_time(products: Path, tmp_path: Path) -> None:
    packed = tmp_path / "small.csv.gz"
    packed.write_bytes(gzip.compress(b'id,words\n01,"a, b"\n02,\n'))
    first = sample([products, packed], tmp_path / "one", 100)
    assert first == sample([products, packed], tmp_path / "two", 100) == {"products.csv": 100, "small.csv.gz": 2}
    lines = (tmp_path / "one" / "products.csv").read_text().splitlines(keepends=True)
    assert lines == (tmp_path / "two" / "products.csv").read_text().splitlines(keepends=True)
    assert lines[0] == HEADER
    assert set(lines[1:]) <= set(products.read_text().splitlines(keepends=True))
    assert gzip.decompress((tmp_path / "one" / "small.csv.gz").read_bytes()) == b'id,words\n01,"a, b"\n02,\n'


def test_what_is_no_csv_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_bytes(b"a,b\n1,2\n" + b"\xff\xfe,\x00\n" * 5)
    with pytest.raises(SaranError, match=r"broken\.csv cannot be read"):
        explore_files(Settings(home=tmp_path / "home"), "Shop", [broken])
