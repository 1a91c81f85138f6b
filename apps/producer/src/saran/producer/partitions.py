"""Kafka's own choice of partition (murmur2 of the key), computed for a column of keys at once.

The sender needs to know each record's partition before it sends, so that one delivery report for the last record
of a partition acknowledges all before it. Java's clients, librdkafka's `murmur2_random` and this agree.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Partitions = NDArray[np.int32]
_Words = NDArray[np.uint32]

_SEED: Final = np.uint32(0x9747B28C)
_M: Final = np.uint32(0x5BD1E995)


def partitions_of(keys: pl.Series, count: int) -> Partitions:
    """Partition (0 to count - 1) of each key; `keys` is String or Binary without nulls."""
    hashes = murmur2(keys)
    return ((hashes & np.uint32(0x7FFFFFFF)) % np.uint32(count)).astype(np.int32)


def murmur2(keys: pl.Series) -> _Words:
    """MurmurHash2 (32 bits, Kafka's seed) of the bytes of each key."""
    array = keys.cast(pl.Binary).rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offset_bytes, data = array.buffers()
    offsets = np.frombuffer(offset_bytes, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(offsets)
    # Four spare bytes: a word read at the end of the last key must not leave the buffer.
    padded = np.concatenate([np.frombuffer(data or b"", dtype=np.uint8), np.zeros(4, dtype=np.uint8)])
    words = np.lib.stride_tricks.as_strided(padded, (max(0, len(padded) - 3), 4), (1, 1))

    hashes: _Words = _SEED ^ lengths.astype(np.uint32)
    longest = int(lengths.max(initial=0))
    for place in range(longest // 4):
        rows = np.flatnonzero(lengths >= 4 * (place + 1))
        word = _mixed(_word(words, offsets[rows] + 4 * place))
        hashes[rows] = hashes[rows] * _M ^ word
    tails = np.flatnonzero(lengths % 4)
    if len(tails):
        left = lengths[tails] % 4
        word = _word(words, offsets[tails] + lengths[tails] - left)
        kept = (np.uint32(1) << (8 * left).astype(np.uint32)) - np.uint32(1)
        hashes[tails] = (hashes[tails] ^ (word & kept)) * _M
    hashes ^= hashes >> np.uint32(13)
    hashes *= _M
    hashes ^= hashes >> np.uint32(15)
    return hashes


def _word(words: NDArray[np.uint8], at: NDArray[np.int64]) -> _Words:
    return np.ascontiguousarray(words[at]).view("<u4").ravel().astype(np.uint32, copy=False)


def _mixed(word: _Words) -> _Words:
    word = word * _M
    return (word ^ (word >> np.uint32(24))) * _M
