"""The id index answers as a set would, whatever it was made from and wherever it was interrupted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from saran.spark import id_index, id_segments
from saran.spark.delta_log import VersionsGoneError
from saran.spark.hashes import Hashes, concat, from_bytes, hash_texts, hash_words
from saran.spark.id_index import IdIndex


def ids(first: int, count: int) -> pa.Array:
    return pa.array(
        [sha256(str(number).encode()).hexdigest()[:32] for number in range(first, first + count)], pa.string()
    )


class Column:
    """A table of one column whose versions are lists of ids."""

    def __init__(self, table_id: str = "t") -> None:
        self.table_id = table_id
        self.versions: list[pa.Array] = [ids(0, 0)]
        self.forgotten = -1
        self.read = 0

    @property
    def version(self) -> int:
        return len(self.versions) - 1

    def append(self, values: pa.Array) -> None:
        self.versions.append(values)

    def values_since(self, version: int | None, column: str) -> Iterator[pa.Array]:
        assert column == "event_id"
        if version is not None and version <= self.forgotten:
            raise VersionsGoneError("cleaned")
        for values in self.versions[0 if version is None else version + 1 :]:
            self.read += len(values)
            yield values


def make(folder: Path, column: Column) -> IdIndex:
    return IdIndex(folder, column, "event_id")


def new(index: IdIndex, values: pa.Array) -> list[bool]:
    return [bool(flag) for flag in index.is_new(hash_texts(values))]


@pytest.mark.parametrize("layout", [pa.large_string(), pa.string_view()])
def test_a_hash_is_the_texts_whatever_layout_a_file_has_it_in(layout: pa.DataType) -> None:
    texts = pa.array(["x", f"{7:032x}", "é" * 20])
    found, wanted = hash_texts(texts.cast(layout).slice(1)), hash_texts(texts)
    assert found.hi.tolist() == wanted.hi[1:].tolist()
    assert found.lo.tolist() == wanted.lo[1:].tolist()


def test_hashes_of_different_texts_differ_and_of_equal_texts_do_not() -> None:
    texts = [f"{number:032x}" for number in range(3000)] + [str(number) for number in range(3000)]
    texts += ["", "a", "A" * 32, "a" * 31, "a" * 33, "g" * 32, "é", "日本" * 100]
    hashes = hash_texts(pa.array(texts))
    pairs = set(zip(hashes.hi.tolist(), hashes.lo.tolist(), strict=True))
    assert len(pairs) == len(texts)
    again = hash_texts(pa.array(["x", *texts, "y"]).slice(1, len(texts)))
    assert (again.hi == hashes.hi).all()
    assert (again.lo == hashes.lo).all()
    one_by_one = concat(hash_texts(pa.array([text])) for text in texts)
    assert (one_by_one.hi == hashes.hi).all()
    back = from_bytes(hashes.to_bytes())
    assert (back.hi == hashes.hi).all()
    assert (back.lo == hashes.lo).all()


def test_the_words_of_a_hex_id_give_its_hash() -> None:
    first, second = np.array([0, 7, 2**64 - 1], np.uint64), np.array([5, 0, 2**63], np.uint64)
    texts = [f"{high:016x}{low:016x}" for high, low in zip(first.tolist(), second.tolist(), strict=True)]
    by_words, by_text = hash_words(first, second), hash_texts(pa.array(texts))
    assert (by_words.hi == by_text.hi).all()
    assert (by_words.lo == by_text.lo).all()


def test_counting_ids_are_spread_evenly() -> None:
    hashes = hash_texts(pa.array([f"{number:032x}" for number in range(64_000)]))
    counts = np.bincount((hashes.hi >> np.uint64(58)).astype(np.int64), minlength=64)
    assert counts.min() > 800  # 1000 expected, standard deviation 31
    assert counts.max() < 1200


def test_new_ids_are_told_once(tmp_path: Path) -> None:
    index = make(tmp_path, Column())
    values = pa.chunked_array([ids(0, 3), ids(1, 3)]).combine_chunks()
    assert new(index, values) == [True, True, True, False, False, True]
    index.add(hash_texts(ids(0, 4)), 1)
    assert new(index, ids(2, 4)) == [False, False, True, True]
    assert new(index, ids(0, 0)) == []


def test_pairs_that_share_a_word_are_told_apart() -> None:
    def of(pairs: list[tuple[int, int]]) -> Hashes:
        words = np.array(pairs, dtype=np.uint64)
        return Hashes(words[:, 0].copy(), words[:, 1].copy())

    segment = of([(5, 1), (5, 3), (5, 7), (9, 1)])
    wanted = of([(4, 1), (5, 0), (5, 3), (5, 7), (5, 9), (9, 1), (9, 2), (10, 1)])
    assert id_segments.contains(segment, wanted).tolist() == [False, False, True, True, False, True, False, False]


def test_many_small_batches_and_flushes_answer_as_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_index, "_FLUSH_ROWS", 500)
    monkeypatch.setattr(id_segments, "_MERGE_ROWS", 300)
    draw = np.random.default_rng(5)
    column, known = Column(), set[str]()
    index = make(tmp_path, column)
    for _ in range(120):
        values = ids(int(draw.integers(0, 4000)), int(draw.integers(1, 120)))
        flags = index.is_new(hash_texts(values))
        assert flags.tolist() == [value not in known for value in values.to_pylist()]
        fresh = values.filter(pa.array(flags))
        known |= set(fresh.to_pylist())
        column.append(fresh)
        index.add(hash_texts(fresh), column.version)
    assert len(index) == len(known)
    assert len(list(tmp_path.glob("*.ids"))) <= 6  # log2(4000 / 500) and what is being merged
    reopened = make(tmp_path, column)
    assert len(reopened) == len(known)
    assert not reopened.is_new(hash_texts(pa.array(sorted(known)))).any()


def test_a_start_reads_only_what_the_manifest_does_not_cover(tmp_path: Path) -> None:
    column = Column()
    index = make(tmp_path, column)
    for batch in range(3):
        column.append(ids(batch * 10, 10))
        index.add(hash_texts(ids(batch * 10, 10)), column.version)
    index.flush()
    column.append(ids(30, 5))
    column.read = 0
    again = make(tmp_path, column)
    assert column.read == 5
    assert again.version == column.version
    assert new(again, ids(28, 9)) == [False] * 7 + [True] * 2


def test_starting_twice_without_a_flush_loses_nothing(tmp_path: Path) -> None:
    column = Column()
    column.append(ids(0, 20))
    make(tmp_path, column)  # made from the table, and ended by kill -9
    assert new(make(tmp_path, column), ids(0, 21)) == [False] * 20 + [True]


def test_a_crash_before_the_index_is_written_loses_nothing(tmp_path: Path) -> None:
    column = Column()
    make(tmp_path, column)
    column.append(ids(0, 10))  # committed to the table; the process died before the index knew
    assert new(make(tmp_path, column), ids(0, 11)) == [False] * 10 + [True]


@pytest.mark.parametrize(
    "damage", ["cut", "no manifest", "bad manifest", "missing segment", "other table", "cleaned log"]
)
def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: str) -> None:
    column = Column()
    index = make(tmp_path, column)
    column.append(ids(0, 100))
    index.add(hash_texts(ids(0, 100)), column.version)
    index.flush()
    manifest, segment = tmp_path / "manifest.json", next(tmp_path.glob("*.ids"))
    if damage == "cut":
        segment.write_bytes(segment.read_bytes()[:-8])
    elif damage == "no manifest":
        manifest.unlink()
    elif damage == "bad manifest":
        manifest.write_text(manifest.read_text()[:-5])
    elif damage == "missing segment":
        segment.unlink()
    elif damage == "other table":
        column = Column("another")
        column.append(ids(50, 20))
    else:
        column.append(ids(100, 10))
        column.forgotten = 1
    again = make(tmp_path, column)
    held = {value for values in column.versions for value in values.to_pylist()}
    asked = ids(0, 120)
    assert new(again, asked) == [value not in held for value in asked.to_pylist()]
    assert len(again) == len(held)
    again.flush()
    assert {entry["file"] for entry in json.loads(manifest.read_text())["segments"]} == {
        path.name for path in tmp_path.glob("*.ids")
    }


def test_an_index_ahead_of_its_table_is_made_anew(tmp_path: Path) -> None:
    column = Column()
    index = make(tmp_path, column)
    column.append(ids(0, 10))
    index.add(hash_texts(ids(0, 10)), 1)
    index.flush()
    restored = Column()  # the table was put back to its first version
    assert new(make(tmp_path, restored), ids(0, 3)) == [True, True, True]


def test_a_large_merge_is_done_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_segments, "_MERGE_ROWS", 1000)
    parts = []
    for start, count in ((0, 20_000), (20_000, 3), (20_003, 9_000)):
        hashes = hash_texts(ids(start, count))
        parts.append(hashes.take(hashes.order()))
    path, rows = id_segments.write_segment(tmp_path, parts)
    segment = id_segments.open_segment(path, rows)
    assert rows == 29_003
    assert (np.diff(segment.hi.astype(np.float64)) >= 0).all()
    wanted = hash_texts(ids(0, 29_003))
    assert id_segments.contains(segment, wanted.take(wanted.order())).all()
