"""The partition of a key is the one that Kafka's Java client chooses."""

from __future__ import annotations

import random

import numpy as np
import polars as pl

from saran.producer.partitions import murmur2, partitions_of


def _reference(data: bytes) -> int:
    """org.apache.kafka.common.utils.Utils.murmur2, byte by byte."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    for place in range(0, len(data) - 3, 4):
        k = int.from_bytes(data[place : place + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = data[len(data) // 4 * 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def test_hashes_that_kafka_tests_itself_with() -> None:
    known = {
        "21": -973932308,
        "foobar": -790332482,
        "a-little-bit-long-string": -985981536,
        "a-little-bit-longer-string": -1486304829,
        "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        "abc": 479470107,
    }
    assert murmur2(pl.Series(list(known))).view(np.int32).tolist() == list(known.values())


def test_every_length_and_byte_agrees_with_the_reference() -> None:
    draw = random.Random(1)
    keys = [draw.randbytes(length % 40) for length in range(2_000)]
    expected = [_reference(key) for key in keys]
    assert murmur2(pl.Series(keys, dtype=pl.Binary)).tolist() == expected
    assert partitions_of(pl.Series(keys, dtype=pl.Binary), 7).tolist() == [(h & 0x7FFFFFFF) % 7 for h in expected]


def test_a_slice_of_a_column_and_an_empty_one() -> None:
    column = pl.Series([f"user-{number}" for number in range(100)])
    assert murmur2(column[40:60]).tolist() == murmur2(column).tolist()[40:60]
    assert murmur2(pl.Series([], dtype=pl.String)).tolist() == []
    assert murmur2(pl.Series([""])).tolist() == [_reference(b"")]
