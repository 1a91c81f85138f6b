"""Connections that stay open: how many there may be, and that they end when the process does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from saran.api.metrics import ApiMetrics
from saran.api.problem import Problem

_RETRY_SECONDS: Final = 10


class Streams:
    """At most `most` of all kinds together, of one process."""

    def __init__(self, most: int, metrics: ApiMetrics) -> None:
        self.closing = False
        self._most = most
        self._open = 0
        self._metrics = metrics

    @contextmanager
    def open(self, kind: str) -> Iterator[None]:
        """One more while the context lasts. Raises Problem 503 when there are too many, or the process ends."""
        if self.closing or self._open >= self._most:
            self._metrics.streams_refused.inc()
            reason = "the process ends" if self.closing else f"there are {self._most} streams open, as many as may be"
            raise Problem(503, f"{reason}: come again later", retry_after=_RETRY_SECONDS)
        self._open += 1
        clients = self._metrics.stream_clients.labels(kind)
        clients.inc()
        try:
            yield
        finally:
            self._open -= 1
            clients.dec()
