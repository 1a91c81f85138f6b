"""Readers: every row of a file is an event or a rejected row with its line and reason."""

from __future__ import annotations

import gzip
import itertools
import random
from pathlib import Path

import polars as pl
import pytest

from saran.core.datasets import Dataset, EventBlock, SpecError, load_spec, open_dataset
from saran.core.datasets import files as dataset_files
from saran.core.datasets import records as dataset_records
from saran.core.datasets.event_ids import row_ids
from saran.core.datasets.table import read_table
from saran.core.settings import Settings

HEADER = b"timestamp,visitorid,event,itemid,transactionid\n"
GOOD = b"1433221332117,257597,view,355908,\n"


@pytest.fixture
def settings() -> Settings:
    return Settings(data=None, dataset="movielens")


def shop(settings: Settings, folder: Path, content: bytes, name: str = "events.csv") -> Dataset:
    """A Retail Rocket folder whose events file holds `content`."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return open_dataset(load_spec("retailrocket", settings), settings, data=folder)


def whole(blocks: list[EventBlock]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All events and all rejected rows; checks that the counts of each block add up."""
    for block in blocks:
        assert block.rows == block.events.height + block.rejected.height + block.left_out
        assert len(block.event_rows) == block.events.height
    for before, after in itertools.pairwise(blocks):
        assert after.first_row == before.first_row + before.rows
    return pl.concat([block.events for block in blocks]), pl.concat([block.rejected for block in blocks])


def test_movielens_has_its_published_counts(settings: Settings) -> None:
    dataset = open_dataset(load_spec("movielens", settings), settings)
    events, rejected = whole(list(dataset.read_events()))
    assert (events.height, rejected.height) == (100_836, 0)
    assert events["user_id"].n_unique() == 610
    assert events["event_id"].n_unique() == 100_836
    assert events["value"].min() == 0.5
    assert events["value"].max() == 5.0
    assert events.select(pl.exclude("event_id", "context")).row(0, named=True) == {
        "event_time": events["event_time"][0],
        "user_id": "1",
        "item_id": "1",
        "action": "rate",
        "value": 4.0,
        "session_id": None,
        "transaction_id": None,
        "source": "movielens",
    }
    assert events["event_time"].dt.epoch("ms")[0] == 964982703000
    items = pl.concat([block.items for block in dataset.read_items()])
    assert items.height == 9_742
    toy_story = items.row(0, named=True)
    assert toy_story["title"] == "Toy Story"
    assert toy_story["release_date"] == "1995"
    assert toy_story["categories"] == ["Adventure", "Animation", "Children", "Comedy", "Fantasy"]
    assert toy_story["url"] == "https://www.imdb.com/title/tt0114709/"
    assert toy_story["attributes"] == {"imdb_id": "tt0114709", "tmdb_id": "862", "tags": "fun|pixar"}
    assert items["release_date"].null_count() == 12
    without = items.filter(pl.col("item_id") == "176601").row(0, named=True)
    assert (without["title"], without["categories"], without["release_date"]) == ("Black Mirror", [], None)


NO_TIME = "event_time (timestamp) is not a whole number of milliseconds since 1970"

WRONG = [
    # (bytes of the row, reason)
    (b"x,257597,view,355908,\n", NO_TIME),
    (b"1433221332117.5,257597,view,355908,\n", NO_TIME),
    (b",257597,view,355908,\n", "event_time (timestamp) is missing"),
    (b"-1,257597,view,355908,\n", "event_time (timestamp) lies before 1970"),
    (b"99999999999999,257597,view,355908,\n", "event_time (timestamp) lies in the future"),
    (b"1433221332117,,view,355908,\n", "user_id (visitorid) is missing"),
    (b'1433221332117,"",view,355908,\n', "user_id (visitorid) is missing"),
    (b"1433221332117,257597,view,,\n", "item_id (itemid) is missing"),
    (b"1433221332117,257597,,355908,\n", "action (event) is missing"),
    (b"1433221332117,257597,buy,355908,\n", "action (event) is none of view, addtocart, transaction"),
    (b"1433221332117,257597,view,355908\n", "has 4 columns instead of 5"),
    (b"1433221332117,257597,view,355908,,\n", "has 6 columns instead of 5"),
    (b"1433221332117,257597,view,35\xff908,\n", "is not UTF-8"),
    (b"1433221332117,257\x00597,view,355908,\n", "holds NUL bytes"),
    (b"1433221332117,257\r597,view,355908,\n", "a carriage return stands inside the row"),
    (b"1433221332117,a\x07b,view,355908,\n", "user_id (visitorid) holds control characters"),
    (b'1433221332117,"two\nlines",view,355908,\n', "user_id (visitorid) holds control characters"),
    (b"1433221332117," + b"u" * 257 + b",view,355908,\n", "user_id (visitorid) is longer than 256 characters"),
    (
        b"1433221332117,257597,transaction,355908," + b"t" * 257 + b"\n",
        "transaction_id (transactionid) is longer than 256 characters",
    ),
    (b"y,,view,,\n", f"user_id (visitorid) is missing; item_id (itemid) is missing; {NO_TIME}"),
]  # fmt: skip


def test_every_kind_of_wrong_row_is_kept_with_its_line_and_reason(settings: Settings, tmp_path: Path) -> None:
    content, expected, line, row = HEADER, list[tuple[int, int, str]](), 2, 0
    for text, reason in WRONG:
        content += GOOD + text + b"\n"
        expected.append((row + 1, line + 1, reason))
        line += 2 + text.count(b"\n")
        row += 2
    dataset = shop(settings, tmp_path, content)
    events, rejected = whole(list(dataset.read_events()))
    assert events.height == len(WRONG)
    assert list(rejected.select("row", "line", "reason").iter_rows()) == expected
    assert set(rejected["file"]) == {"events.csv"}
    assert rejected["raw"][0] == "x,257597,view,355908,"
    assert rejected["raw"][12] == r"1433221332117,257597,view,35\xff908,"
    assert rejected["raw"][16] == '1433221332117,"two\nlines",view,355908,'
    ids = row_ids(bytes.fromhex(dataset.events_sha256), rejected["row"].to_numpy())
    assert rejected["event_id"].to_list() == ids.to_list()
    assert not set(rejected["event_id"]) & set(events["event_id"])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("good", "value (rating) is not a number"),
        ("nan", "value (rating) is not a number"),
        ("", "value (rating) is missing"),
        ("inf", "value (rating) is more than 5"),
        ("-1", "value (rating) is less than 0.5"),
        ("5.5", "value (rating) is more than 5"),
    ],
)
def test_wrong_ratings(settings: Settings, tmp_path: Path, value: str, reason: str) -> None:
    (tmp_path / "ratings.csv").write_text(f"userId,movieId,rating,timestamp\n1,2,{value},964982703\n1,3,4,964982703\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n")
    dataset = open_dataset(load_spec("movielens", settings), settings, data=tmp_path)
    events, rejected = whole(list(dataset.read_events()))
    assert events["item_id"].to_list() == ["3"]
    assert rejected["reason"].to_list() == [reason]


def test_a_quote_that_never_closes_costs_its_own_line(settings: Settings, tmp_path: Path) -> None:
    content = HEADER + GOOD + b'1433221332117,"257597,view,355908,\n' + GOOD * 40_000
    events, rejected = whole(list(shop(settings, tmp_path, content).read_events()))
    assert events.height == 40_001
    assert list(rejected.select("row", "line", "reason").iter_rows()) == [(1, 3, "a quote opens and does not close")]


def test_ids_and_rows_do_not_depend_on_blocks_or_compression(settings: Settings, tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + HEADER + b"".join(GOOD + text for text, _ in WRONG) + GOOD.rstrip(b"\n")
    plain = shop(settings, tmp_path / "plain", content)
    packed = shop(settings, tmp_path / "packed", content, "events.csv.gz")
    expected = whole(list(plain.read_events()))
    assert expected[0].height == len(WRONG) + 1
    assert packed.events_sha256 == plain.events_sha256
    assert packed.events_bytes == len(content)
    for block_bytes in (1, 7, 64, 500):
        for dataset in (plain, packed):
            events, rejected = whole(list(dataset.read_events(block_bytes=block_bytes)))
            assert events.equals(expected[0])
            assert rejected.drop("file").equals(expected[1].drop("file"))


def test_identical_rows_get_ids_of_their_own(settings: Settings, tmp_path: Path) -> None:
    events, _ = whole(list(shop(settings, tmp_path, HEADER + GOOD * 3).read_events()))
    assert events["event_id"].n_unique() == 3
    assert events["event_id"].str.len_chars().to_list() == [32] * 3


def test_row_ids_are_two_splitmix64_streams() -> None:
    # Reference values of splitmix64 with seed 1234567, from its authors' test vectors.
    seed = (1234567).to_bytes(8, "little")
    reference = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    rows = pl.Series([0, 1, 2]).to_numpy()
    assert row_ids(seed + seed + bytes(16), rows).to_list() == [f"{n:016x}{n:016x}" for n in reference]


@pytest.mark.parametrize("block_bytes", [100, 1 << 20])
def test_start_row_gives_the_rest_of_the_same_events(settings: Settings, tmp_path: Path, block_bytes: int) -> None:
    content = HEADER + b"".join(GOOD + text for text, _ in WRONG)
    dataset = shop(settings, tmp_path, content)
    events, rejected = whole(list(dataset.read_events()))
    rows = pl.concat([block.event_rows for block in dataset.read_events()])
    for start in (0, 1, 7, 39):
        blocks = list(dataset.read_events(start_row=start, block_bytes=block_bytes))
        assert blocks[0].first_row == start
        later, later_rejected = whole(blocks)
        assert later.equals(events.filter(rows >= start))
        assert later_rejected.equals(rejected.filter(pl.col("row") >= start))
    assert list(dataset.read_events(start_row=40, block_bytes=block_bytes)) == []


def test_crlf_and_blank_lines(settings: Settings, tmp_path: Path) -> None:
    content = (HEADER + GOOD + b"\n" + GOOD + b"bad,1,view,2,\n").replace(b"\n", b"\r\n")
    events, rejected = whole(list(shop(settings, tmp_path, content).read_events()))
    assert events.height == 2
    assert list(rejected.select("row", "line").iter_rows()) == [(2, 5)]
    assert rejected["raw"].to_list() == ["bad,1,view,2,"]


def test_a_missing_column_names_the_file_and_what_it_has(settings: Settings, tmp_path: Path) -> None:
    dataset = shop(settings, tmp_path, b"timestamp,visitor,event,itemid,transactionid\n" + GOOD)
    with pytest.raises(SpecError, match=r"events\.csv has no column visitorid \(it has timestamp, visitor, event"):
        list(dataset.read_events())


def test_an_empty_file_and_one_with_only_a_header(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"events\.csv is empty"):
        list(shop(settings, tmp_path, b"").read_events())
    assert list(shop(settings, tmp_path, HEADER).read_events()) == []


def test_a_gzip_file_cut_short(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "events.csv.gz").write_bytes(gzip.compress(HEADER + GOOD * 1000)[:-20])
    dataset = open_dataset(load_spec("retailrocket", settings), settings, data=tmp_path)
    with pytest.raises(SpecError, match=r"events\.csv\.gz is no whole gzip file"):
        list(dataset.read_events())


def test_missing_files_name_the_ways_to_get_them(settings: Settings, tmp_path: Path) -> None:
    spec = load_spec("retailrocket", settings)
    with pytest.raises(SpecError, match=r"there is no events\.csv or events\.csv\.gz .*saran synthesise retailrocket"):
        open_dataset(spec, settings, data=tmp_path)
    with pytest.raises(SpecError, match=r"retailrocket is not bundled"):
        open_dataset(spec, settings)


def test_a_file_without_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_records, "MAX_LINE", 1000)
    (tmp_path / "x.csv").write_bytes(b"a" * 5000)
    with pytest.raises(SpecError, match="no line ends within"):
        list(dataset_records.read_records(tmp_path / "x.csv", block_bytes=300))


def test_records_are_what_the_parser_sees(tmp_path: Path) -> None:
    """Random mixtures of quotes, delimiters and line ends: rows are counted alike by splitter and parser."""
    chance = random.Random(7)
    parts = ["a", '"', ",", "\n", '""', "b", ',"', '",', '"\n', "\r\n", "x,y\n", "\r", "\0", "é"]
    path = tmp_path / "mixed.csv"
    for _ in range(300):
        body = "".join(chance.choice(parts) for _ in range(chance.randint(0, 60)))
        path.write_bytes(b"c1,c2\n" + body.encode() + (b"\xff,2\n" if chance.random() < 0.2 else b""))
        seen = []
        for block_bytes in (1 << 20, 7, 13):
            good: list[object] = []
            bad: list[object] = []
            for block in read_table(path, ["c1", "c2"], block_bytes=block_bytes):
                good += zip(block.rows.tolist(), block.frame.rows(), strict=True)
                bad += [(row, reason, block.line(row), block.raw(row)) for row, reason in block.bad.items()]
            seen.append((good, bad))
        assert seen[0] == seen[1] == seen[2], body


def test_quoted_values_may_hold_delimiters_quotes_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "quoted.csv"
    path.write_bytes(b'id,text\n1,"a ""b"", c\nd"\n2,29" wide\n3,""\n')
    (block,) = read_table(path, ["id", "text"])
    assert block.frame.rows() == [("1", 'a "b", c\nd'), ("2", '29" wide'), ("3", None)]
    assert [block.line(row) for row in (0, 1, 2)] == [2, 4, 5]


def test_either_spelling_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.csv.gz").touch()
    assert dataset_files.find("a.csv.gz", tmp_path) == tmp_path / "a.csv"
    assert dataset_files.find("b.csv", None, tmp_path) == tmp_path / "b.csv.gz"
    assert dataset_files.find("c.csv", tmp_path) is None
