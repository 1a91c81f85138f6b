"""A file cut into blocks of whole records, each with its line, before any field is looked at.

What no parser could read (NUL bytes, text that is not UTF-8, a quote that never closes, a carriage return alone) is
found here by record, so that one bad row costs one row. Empty lines are no rows; they count as lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saran.core.datasets import files
from saran.core.datasets.errors import SpecError

MAX_QUOTED = 1 << 20
"""Bytes of one quoted value; a quote that has not closed by then is a mistake of its line."""

MAX_LINE = 64 << 20
"""Bytes without a record's end at which a file is taken for no CSV."""

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Records:
    """Consecutive records of a file, blank ones left out."""

    data: bytes
    starts: Positions
    """Offset of each record in `data`, shape (records,)."""
    ends: Positions
    """Offset behind its last byte, without the line end."""
    lines: Positions
    """1-based line in the file that it begins on."""
    bad: dict[int, str]
    """Records that cannot be parsed, by index: the reason."""
    quoted: bool
    """Whether any quote is in the block."""
    bytes_read: int
    """Bytes of the file up to the block's end."""

    def text(self, index: int) -> str:
        """A record as written; bytes that are not UTF-8 appear as \\xNN."""
        return self.data[self.starts[index] : self.ends[index]].decode("utf-8", errors="backslashreplace")


def read_records(path: Path, *, delimiter: str = ",", block_bytes: int = 16 << 20) -> Iterator[Records]:
    """Blocks of about `block_bytes`. SpecError where the file is no text in lines or no whole gzip file."""
    line, consumed, rest = 1, 0, b""
    parts = files.chunks(path, block_bytes)
    part = next(parts, b"")
    if part.startswith(b"\xef\xbb\xbf"):
        part, consumed = part[3:], 3
    while part or rest:
        following = next(parts, b"")
        data = rest + part if rest else part
        if not following and not data.endswith(b"\n"):
            data += b"\n"
        records, newlines, length = _split(data, line, delimiter.encode()[0], final=not following)
        if len(data) - length > MAX_LINE:
            raise SpecError(
                f"{path}: no line ends within {MAX_LINE >> 20} MiB from line {line}", fix="is it a CSV file?"
            )
        consumed, line = consumed + length, line + newlines
        rest, part = data[length:], following
        yield Records(*records, bytes_read=consumed)
        if not following:
            return


def _split(
    data: bytes, line: int, delimiter: int, *, final: bool
) -> tuple[tuple[bytes, Positions, Positions, Positions, dict[int, str], bool], int, int]:
    """Records in `data`, line ends passed, and bytes used; what is not used is the beginning of the next block."""
    array = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(array == 10)
    ends, quoted, bad_at = newlines, b'"' in data, dict[int, str]()
    spans: Positions = np.empty((0, 2), dtype=np.int64)
    if quoted:
        spans, unclosed, limit = _quoted_spans(data, newlines, delimiter, final=final)
        bad_at = dict.fromkeys(unclosed, "a quote opens and does not close")
        ends = newlines[~_inside(newlines, spans)]
        ends = ends[ends < limit]
    length = int(ends[-1]) + 1 if len(ends) else 0
    starts = np.concatenate((np.zeros(min(len(ends), 1), dtype=np.int64), ends[:-1] + 1))
    lines = line + np.searchsorted(newlines, starts)
    used = int(np.searchsorted(newlines, length))

    if b"\r" in data:
        ends = ends - ((ends > starts) & (array[ends - 1] == 13))
        alone = np.flatnonzero(array[:length] == 13)
        alone = alone[array[np.minimum(alone + 1, len(data) - 1)] != 10]
        bad_at |= dict.fromkeys(alone[~_inside(alone, spans)].tolist(), "a carriage return stands inside the row")
    if b"\0" in data:
        bad_at |= dict.fromkeys(np.flatnonzero(array[:length] == 0).tolist(), "holds NUL bytes")
    bad_at |= dict.fromkeys(_not_utf8(data, length, ends), "is not UTF-8")

    filled = ends > starts
    if not filled.all():
        starts, ends, lines = starts[filled], ends[filled], lines[filled]
    where = np.searchsorted(starts, np.fromiter(bad_at, dtype=np.int64, count=len(bad_at)), side="right") - 1
    bad = {int(index): reason for index, reason in zip(where, bad_at.values(), strict=True)}
    return (data, starts, ends, lines, bad, quoted), used, length


def _quoted_spans(data: bytes, newlines: Positions, delimiter: int, *, final: bool) -> tuple[Positions, list[int], int]:
    """Spans (first quote, last quote) of quoted values, quotes that never close, and where certainty ends.

    A quote opens a value only at its beginning; elsewhere it is a character, as CSV parsers take it.
    """
    quotes: list[int] = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord('"')).tolist()
    count, size = len(quotes), len(data)
    openers = (delimiter, 10, 13)
    spans: list[tuple[int, int]] = []
    unclosed: list[int] = []
    index = 0
    while index < count:
        begin = quotes[index]
        if begin and data[begin - 1] not in openers:
            index += 1
            continue
        close = index + 1
        while close + 1 < count and quotes[close + 1] == quotes[close] + 1:
            close += 2
        open_end = close >= count or (quotes[close] == size - 1 and not final)
        if open_end and not final and size - begin <= MAX_QUOTED:
            return np.array(spans, dtype=np.int64).reshape(-1, 2), unclosed, begin
        if open_end or quotes[close] - begin > MAX_QUOTED:
            unclosed.append(begin)
            behind = int(np.searchsorted(newlines, begin))
            if behind == len(newlines):
                return np.array(spans, dtype=np.int64).reshape(-1, 2), unclosed[:-1], begin
            while index < count and quotes[index] < newlines[behind]:
                index += 1
            continue
        spans.append((begin, quotes[close]))
        index = close + 1
    return np.array(spans, dtype=np.int64).reshape(-1, 2), unclosed, size


def _inside(positions: Positions, spans: Positions) -> NDArray[np.bool_]:
    """Which positions lie inside a span."""
    if not len(spans):
        return np.zeros(len(positions), dtype=np.bool_)
    span = np.searchsorted(spans[:, 0], positions, side="right") - 1
    inside: NDArray[np.bool_] = (span >= 0) & (positions < spans[span, 1])
    return inside


def _not_utf8(data: bytes, length: int, ends: Positions) -> list[int]:
    """A position in each record that is not UTF-8."""
    view, offset, found = memoryview(data), 0, list[int]()
    while offset < length:
        try:
            str(view[offset:length], "utf-8")
        except UnicodeDecodeError as error:
            found.append(offset + error.start)
            record = int(np.searchsorted(ends, found[-1], side="left"))
            offset = int(ends[record]) + 1 if record < len(ends) else length
        else:
            break
    return found
