"""What a question in SQL is answered with, whoever answers, and what it may cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from saran.core.errors import SaranError

MOST_CHARACTERS: Final = 100_000
"""Of a question."""


@dataclass(frozen=True)
class Limits:
    """Of one question: rows of its answer and seconds; mebibytes of memory and threads, where DuckDB answers."""

    rows: int = 10_000
    seconds: float = 30.0
    memory_mb: int = 1024
    threads: int = 2


@dataclass(frozen=True)
class Answer:
    """What was asked for: at most `Limits.rows` rows, `more` where there were more.

    `versions` has the version of each table that there was, so that an answer says of which state it is; Trino does not
    say it.
    """

    table: pa.Table
    more: bool
    seconds: float
    versions: dict[str, int]

    def rows(self) -> list[dict[str, Any]]:
        """The rows as JSON can have them: times as RFC 3339, decimals as numbers, bytes as text."""
        return [{name: _plain(value) for name, value in row.items()} for row in self.table.to_pylist()]


def too_slow(limits: Limits) -> SaranError:
    """What is said of a question that took too long."""
    return SaranError(f"it took more than {limits.seconds:g} s", fix="ask for less, or allow more time")


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        value = [_plain(one) for one in value]
    elif isinstance(value, dict):
        value = {name: _plain(one) for name, one in value.items()}
    elif isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    elif isinstance(value, float):
        value = value if math.isfinite(value) else None  # JSON knows no others
    elif isinstance(value, Decimal):
        value = float(value)
    elif isinstance(value, date | time):
        value = value.isoformat()
    elif not (value is None or isinstance(value, bool | int | str)):
        value = str(value)
    return value
