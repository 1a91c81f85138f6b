"""Trends beside ingest, in its driver: a thread of their own, whose failures end neither it nor ingest."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Final

from saran.core.names import Table
from saran.core.settings import Settings
from saran.spark.outcomes import TableCount
from saran.spark.stream_metrics import StreamMetrics
from saran.spark.trends.tables import TrendsStream, upkeep_all
from saran.spark.upkeep import Upkeep

_LOOK_SECONDS: Final = 60.0
"""How often silver is looked at when ingest tells of nothing: another writer, a batch that failed."""

_PAUSE: Final = (2.0, 4.0, 120.0)
"""Between batches: at least, as a multiple of what the last one took, at most. Ingest goes first."""

_STOP_SECONDS: Final = 3.0
_log = logging.getLogger(__name__)


class TrendsThread:
    """Runs batches whenever ingest told of one, until `close`."""

    def __init__(self, settings: Settings, metrics: StreamMetrics) -> None:
        self._settings = settings
        self._stream = TrendsStream(settings)
        self._upkeep: Upkeep | None = None
        self._metrics = metrics
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._newest = -1
        self._made = -1
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="trends", daemon=True)

    def start(self) -> None:
        """Begin with whatever silver has."""
        self._thread.start()

    def tell(self, counts: Sequence[TableCount]) -> None:
        """Ingest has changed tables; returns at once."""
        for count in counts:
            if count.table == Table.SILVER_EVENTS:
                self._newest = count.version
        self._wake.set()

    def upkeep(self, order: Upkeep) -> None:
        """Look after the tables when the next batch is done; returns at once."""
        self._upkeep = order
        self._wake.set()

    def close(self) -> None:
        """End with the chunk at hand; a commit that is cut off changes nothing."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            started = time.monotonic()
            self._batch(started)
            least, share, most = _PAUSE
            if self._closing.wait(min(most, max(least, share * (time.monotonic() - started)))):
                return
            self._wake.wait(_LOOK_SECONDS)

    def _batch(self, started: float) -> None:
        try:
            made = self._stream(self._closing.is_set)
            if made is not None and (order := self._upkeep) is not None:
                upkeep_all(self._settings, order)
                self._upkeep = None
        except Exception as error:  # noqa: BLE001 - whatever it is, ingest goes on: logged, counted, tried again
            self._metrics.trends_failed(self._newest - self._made if self._made >= 0 else None)
            if not self._failing:
                _log.exception("trends cannot be brought up, ingest goes on and they are tried again")
            else:
                _log.warning("trends still fail: %s", error)
            self._failing = True
            self._stream = TrendsStream(self._settings)  # what the tables are of is read again
            return
        if self._failing:
            _log.info("trends are made again")
        self._failing = False
        if made is not None:
            self._made = made
            self._metrics.trends_made(max(0, self._newest - made), time.monotonic() - started)
