"""The last minutes of counts, as one open page has seen them: what rates and small charts are drawn from."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from saran.core.api_shapes import TableCount

LENGTH: Final = 90
"""Samples kept: three minutes of a page that asks every two seconds."""


@dataclass(frozen=True)
class Gain:
    """Rows that came in within a time."""

    rows: int
    seconds: float


@dataclass
class Trail:
    """Samples of row counts by table, oldest first; times are seconds of a monotonic clock."""

    _samples: deque[tuple[float, dict[str, int]]] = field(default_factory=lambda: deque(maxlen=LENGTH))

    def add(self, time: float, tables: Mapping[str, TableCount]) -> None:
        """Remember the counts of one answer, by table."""
        self._samples.append((time, {name: table.rows for name, table in tables.items()}))

    def gain(self, table: str, *, within: float = 60.0) -> Gain | None:
        """Rows that `table` gained in the last `within` seconds seen; None before there are two samples of it."""
        seen = [(time, rows[table]) for time, rows in self._samples if table in rows]
        seen = [(time, rows) for time, rows in seen if seen[-1][0] - time <= within]
        if len(seen) < 2:
            return None
        return Gain(seen[-1][1] - seen[0][1], seen[-1][0] - seen[0][0])

    def rows(self, table: str) -> list[int]:
        """All counts of `table` seen, oldest first."""
        return [rows[table] for _, rows in self._samples if table in rows]
