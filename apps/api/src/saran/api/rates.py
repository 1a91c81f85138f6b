"""How many a minute: lists and requests of this process."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

_LOOK_SECONDS: Final = 5.0
_OVER_SECONDS: Final = 60.0


class Rate:
    """Looks at a counter from time to time. `made` gives what it is at."""

    def __init__(self, made: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._made = made
        self._clock = clock
        self._seen: deque[tuple[float, float]] = deque()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Remember where the counter is, and forget what is not needed for the last minute."""
        now = self._clock()
        self._seen.append((now, self._made()))
        while len(self._seen) > 1 and self._seen[1][0] <= now - _OVER_SECONDS:
            self._seen.popleft()

    def per_minute(self) -> float | None:
        """Over the last minute, or since the first look where that is less; None within five seconds of it."""
        if not self._seen:
            return None
        at, count = self._seen[0]
        seconds = self._clock() - at
        return (self._made() - count) * 60 / seconds if seconds >= _LOOK_SECONDS else None
