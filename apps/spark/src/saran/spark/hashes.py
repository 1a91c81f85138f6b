"""128-bit identities of texts, computed in columns: what the id index holds instead of ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_HEX_LENGTH: Final = 32
_NIBBLES: Final = np.full(256, 255, dtype=np.uint8)
_NIBBLES[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)


@dataclass(frozen=True)
class Hashes:
    """`hi` and `lo` words of n hashes, each of shape (n,)."""

    hi: Words
    lo: Words

    def __len__(self) -> int:
        return len(self.hi)

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Hashes:
        """The hashes at `which`: positions, a mask or a slice."""
        return Hashes(self.hi[which], self.lo[which])

    def order(self) -> NDArray[np.intp]:
        """Positions that sort by (hi, lo), stable."""
        order = np.argsort(self.hi, kind="stable")
        hi = self.hi[order]
        # Equal first words are duplicates, or one pair in 2^64: the full sort is for them alone.
        return order if not (hi[1:] == hi[:-1]).any() else np.lexsort((self.lo, self.hi))

    def to_bytes(self) -> bytes:
        """All `hi`, then all `lo`, little endian."""
        return self.hi.astype("<u8").tobytes() + self.lo.astype("<u8").tobytes()


def from_bytes(data: bytes) -> Hashes:
    """What `Hashes.to_bytes` gave."""
    words = np.frombuffer(data, dtype="<u8")
    half = len(words) // 2
    return Hashes(words[:half], words[half:])


def concat(parts: Iterable[Hashes]) -> Hashes:
    """All hashes of `parts`, in order."""
    listed = list(parts)
    if not listed:
        return Hashes(np.empty(0, np.uint64), np.empty(0, np.uint64))
    return Hashes(np.concatenate([part.hi for part in listed]), np.concatenate([part.lo for part in listed]))


def hash_texts(texts: pa.Array) -> Hashes:
    """Hash of each text of a string array without nulls.

    Ids of replayed files are 32 hex digits that are random already: their own 128 bits are taken, which costs a
    tenth of hashing. Everything else is hashed by BLAKE2b. A client could choose a hex id that meets another text's
    hash, which gives it no more than sending that text would.
    """
    # Of three layouts of text: files that delta-rs has written anew are read as views.
    texts = texts.cast(pa.string())
    count = len(texts)
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset : texts.offset + count + 1]
    data = np.frombuffer(texts.buffers()[2] or b"", dtype=np.uint8)
    words = np.empty((count, 2), dtype=np.uint64)
    rows = np.flatnonzero(np.diff(offsets) == _HEX_LENGTH)
    if len(rows) == count:
        digits = _NIBBLES[data[offsets[0] : offsets[-1]].reshape(count, _HEX_LENGTH)] if count else None
    else:
        digits = _NIBBLES[data[offsets[rows, None] + np.arange(_HEX_LENGTH)]]
    is_hex = np.zeros(count, dtype=np.bool_)
    if digits is not None and len(rows):
        good = (digits < 16).all(axis=1)
        packed = (digits[:, 0::2] << 4 | digits[:, 1::2])[good]
        words[rows[good]] = np.ascontiguousarray(packed).view(">u8")
        is_hex[rows[good]] = True
    others = np.flatnonzero(~is_hex)
    if len(others):
        plain = memoryview(data.data)
        digests = b"".join(blake2b(plain[offsets[row] : offsets[row + 1]], digest_size=16).digest() for row in others)
        words[others] = np.frombuffer(digests, dtype=">u8").reshape(-1, 2)
    return hash_words(words[:, 0], words[:, 1])


def hash_words(first: Words, second: Words) -> Hashes:
    """What `hash_texts` gives for ids of 32 hex digits whose halves are the numbers `first` and `second`."""
    lo = _mix(second)
    return Hashes(_mix(first ^ lo), lo)


def _mix(words: Words) -> Words:
    """splitmix64's finaliser, a bijection: ids that count upwards are spread over the whole range."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
