"""Numbers and times as people read them. What is not known is `–`, never 0."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from saran.core.api_shapes import Card, Cause, PastEvent

UNKNOWN: Final = "–"
_MARKDOWN: Final = frozenset("\\`*_{}[]()#+-.!:$<>|~&")


def count(number: int | None) -> str:
    """`1,234,567`."""
    return UNKNOWN if number is None else f"{number:,}"


def rate(per_second: float | None) -> str:
    """`12,345 /s`; one decimal below ten."""
    if per_second is None:
        return UNKNOWN
    return f"{per_second:,.0f} /s" if per_second >= 10 or per_second == 0 else f"{per_second:.1f} /s"


def change(rate: float | None) -> str:
    """`+150%`."""
    return UNKNOWN if rate is None else f"{rate:+,.0%}"


def share(part: float | None) -> str:
    """`2.5%`."""
    return UNKNOWN if part is None else f"{part:.1%}"


def moment(time: datetime | None) -> str:
    """`2018-09-24 14:27 UTC`."""
    return UNKNOWN if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def duration(seconds: float | None) -> str:
    """`240 ms`, `12 s`, `3 min`, `5 h`, `2 d`: one unit, the largest that gives at least one."""
    if seconds is None:
        return UNKNOWN
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def ago(time: datetime | None, now: datetime) -> str:
    """`12 s ago`, `just now` within the last second or in a clock's future."""
    if time is None:
        return UNKNOWN
    passed = (now - time).total_seconds()
    return "just now" if passed < 1 else f"{duration(passed)} ago"


def memory(size: int | None) -> str:
    """`412 MiB`."""
    return UNKNOWN if size is None else f"{size / 2**20:,.0f} MiB"


def size(number: int) -> str:
    """`1.0 KiB`, `2.0 MiB`: the largest unit that gives at least one."""
    for unit, one in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if number >= one:
            return f"{number / one:,.1f} {unit}"
    return f"{number} B"


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 event`, `2,000 events`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def name(item: Card | PastEvent | Cause) -> str:
    """An item's title, or words with its id where the catalogue has none."""
    return item.title or f"Item {item.item_id}"


def literal(text: str) -> str:
    """Data as it is, where Streamlit would read Markdown."""
    return "".join(f"\\{char}" if char in _MARKDOWN else char for char in text)


def message(text: str) -> str:
    """A message of another part as it is, but with `commands` in backticks drawn as code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return literal(text)
    return "`".join(piece if index % 2 else literal(piece) for index, piece in enumerate(pieces))
