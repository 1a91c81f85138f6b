"""PostgreSQL's binary format for arrays and COPY, in columns.

psycopg turns an array into a Python list element by element; a replay moves millions of elements, so arrays of
fixed-size numbers go between the wire and numpy as they are. Format: docs of COPY, and `array_send` in the
server's source.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import pq
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader

_HEADER: Final = struct.Struct(">iiIii")  # dimensions, has nulls, element type, length, lower bound
_LENGTH: Final = struct.Struct(">i")
_FIELDS: Final = struct.Struct(">h")
COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END: Final = b"\xff\xff"

TEXT_OID: Final = 25
_NUMBERS: Final[dict[str, tuple[int, np.dtype[Any], str]]] = {
    # numpy's own type → element type, layout of an element on the wire, array type
    "int16": (21, np.dtype([("length", ">i4"), ("value", ">i2")]), "int2"),
    "int64": (20, np.dtype([("length", ">i4"), ("value", ">i8")]), "int8"),
    "float32": (700, np.dtype([("length", ">i4"), ("value", ">f4")]), "float4"),
}


class _RawLoader(Loader):
    """Gives the bytes of a value as they came."""

    format = pq.Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


def register_raw_arrays(context: AdaptContext) -> None:
    """Make binary results hold arrays of numbers as bytes, for `decode_arrays`."""
    for _, _, name in _NUMBERS.values():
        info = psycopg.adapters.types[name]
        context.adapters.register_loader(info.array_oid, _RawLoader)


def decode_arrays(arrays: Iterable[bytes], kind: str) -> NDArray[Any]:
    """All elements of one-dimensional arrays without NULL, one after the other.

    `kind` is `int16`, `int64` or `float32`. Raises ValueError for another layout.
    """
    _, layout, _ = _NUMBERS[kind]
    data = b"".join(array[_HEADER.size :] for array in arrays)
    # A NULL has a length of -1 and no value, so it shows in either check.
    parts = np.frombuffer(data[: len(data) // layout.itemsize * layout.itemsize], dtype=layout)
    if len(data) % layout.itemsize or (parts["length"] != layout["value"].itemsize).any():
        raise ValueError(f"an array of {kind} holds NULL, or elements of another size")
    return parts["value"].astype(kind)


def encode_arrays(values: NDArray[Any], bounds: Sequence[int]) -> list[bytes]:
    """One array for each pair of neighbours in `bounds`, of the values from the one to the other."""
    oid, layout, _ = _NUMBERS[values.dtype.name]
    parts = np.empty(len(values), dtype=layout)
    parts["length"] = layout["value"].itemsize
    parts["value"] = values
    return _arrays(parts.tobytes(), oid, bounds, [bound * layout.itemsize for bound in bounds])


def encode_text_arrays(elements: Sequence[bytes], bounds: Sequence[int]) -> list[bytes]:
    """As `encode_arrays`, of elements made by `text_element`."""
    ends = np.cumsum([0, *map(len, elements)])
    return _arrays(b"".join(elements), TEXT_OID, bounds, ends[np.asarray(bounds)].tolist())


def text_element(text: str) -> bytes:
    """One element of a text array."""
    data = text.encode()
    return _LENGTH.pack(len(data)) + data


def copy_row(fields: Sequence[bytes]) -> bytes:
    """One row of a binary COPY."""
    parts = [_FIELDS.pack(len(fields))]
    for field in fields:
        parts += (_LENGTH.pack(len(field)), field)
    return b"".join(parts)


def _arrays(data: bytes, oid: int, bounds: Sequence[int], places: Sequence[int]) -> list[bytes]:
    return [
        _HEADER.pack(1, 0, oid, stop - start, 1) + data[place:end]
        for start, stop, place, end in zip(bounds, bounds[1:], places, places[1:], strict=False)
    ]
