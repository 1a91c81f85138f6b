"""The last minutes of counts, as one open page has seen them: what rates and small charts are drawn from."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

LENGTH: Final = 90
"""Samples kept: three minutes of a page that asks every two seconds."""


@dataclass(frozen=True)
class Gain:
    """What came in within a time."""

    rows: int
    seconds: float

    @property
    def rate(self) -> float | None:
        """A second; None within no time."""
        return self.rows / self.seconds if self.seconds else None


@dataclass
class Trail:
    """Samples of counts by name, oldest first; times are seconds of a monotonic clock."""

    _samples: deque[tuple[float, dict[str, int]]] = field(default_factory=lambda: deque(maxlen=LENGTH))

    def add(self, time: float, counts: Mapping[str, int]) -> None:
        """Remember the counts of one answer, by name: rows of tables, or records of topics."""
        self._samples.append((time, dict(counts)))

    def gain(self, name: str, *, within: float = 60.0) -> Gain | None:
        """What `name` gained in the last `within` seconds seen; None before there are two samples of it."""
        seen = [(time, rows[name]) for time, rows in self._samples if name in rows]
        seen = [(time, rows) for time, rows in seen if seen[-1][0] - time <= within]
        if len(seen) < 2:
            return None
        return Gain(seen[-1][1] - seen[0][1], seen[-1][0] - seen[0][0])

    def rows(self, name: str) -> list[int]:
        """All counts of `name` seen, oldest first."""
        return [rows[name] for _, rows in self._samples if name in rows]
