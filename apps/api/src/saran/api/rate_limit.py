"""How many requests a second a key may make: a token bucket a holder (RFC 6585's 429)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

_BURST_SECONDS: Final = 2.0


class RateLimit:
    """`per_second` requests of each name, on average; up to two seconds' worth at once. Of one process only."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second * _BURST_SECONDS)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait(self, name: str) -> int:
        """0 when the request may go on, else after how many seconds the next may."""
        now = self._clock()
        tokens, at = self._buckets.get(name, (self._most, now))
        tokens = min(self._most, tokens + (now - at) * self._per_second)
        if tokens < 1:
            self._buckets[name] = (tokens, now)
            return math.ceil((1 - tokens) / self._per_second)
        self._buckets[name] = (tokens - 1, now)
        return 0
