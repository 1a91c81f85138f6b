"""`saran load`: a data set's catalogue and events into Kafka."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from saran.core.datasets import Dataset, Origin, load_spec, open_dataset
from saran.core.errors import SaranError
from saran.core.names import Topic
from saran.core.settings import Settings
from saran.core.topics import ensure_topics
from saran.producer.ahead import ahead
from saran.producer.monitor import LoadMetrics, served
from saran.producer.options import LoadOptions, LoadSummary, Progress
from saran.producer.records import Records, batch_of, event_records, item_records
from saran.producer.resume import Position, ResumeFile
from saran.producer.sender import Sender
from saran.producer.sources import BLOCK_BYTES, event_source, until

_SLICES_A_SECOND: Final = 20
"""How finely a rate is kept."""

_log = logging.getLogger(__name__)


def load(name: str, settings: Settings, options: LoadOptions, progress: Progress) -> LoadSummary:
    """Send the catalogue and the events of the data set `name`; returns when Kafka has acknowledged all of it.

    Raises SaranError when files, topics or Kafka are not as needed. What was acknowledged is noted in `home/run`;
    a later load with `resume` goes on there.
    """
    dataset = open_dataset(load_spec(name, settings), settings, data=options.data)
    ensure_topics(settings, timeout_seconds=settings.kafka.timeout_ms / 1000)
    metrics = LoadMetrics(dataset.spec.name)
    with (
        served(metrics, options.metrics_port),
        _without_collector(),
        Sender(settings, patience=options.patience) as sender,
    ):
        return _Load(dataset, settings, options, progress, metrics, sender).run()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of short-lived bytes objects and no cycles: the collector would only look for what is not there."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Load:
    """One run; its steps share the summary, the metrics and the sender."""

    def __init__(
        self,
        dataset: Dataset,
        settings: Settings,
        options: LoadOptions,
        progress: Progress,
        metrics: LoadMetrics,
        sender: Sender,
    ) -> None:
        self._dataset = dataset
        self._topic = settings.events_topic
        self._settings = settings
        self._options = options
        self._progress = progress
        self._metrics = metrics
        self._sender = sender
        simulated = dataset.interactions is Origin.SIMULATED
        self._summary = LoadSummary(dataset.spec.name, dataset.source, dataset.synthetic, simulated)

    def run(self) -> LoadSummary:
        events = event_source(self._dataset, self._options.limit)
        first, end = self._options.rows
        cluster, partitions = self._sender.cluster_and_partitions(self._topic)
        _, catalogue_partitions = self._sender.cluster_and_partitions(Topic.CATALOG)

        file = ResumeFile(self._settings, self._dataset.spec.name, events.sha256)
        position = Position(events.sha256, self._topic, cluster, catalogue_sent=False, first_row=first, next_row=first)
        if self._options.resume:
            stored = file.read(position)
            if stored is not position:
                self._summary.resumed_at = stored.next_row
                _log.info("resuming at row %d", stored.next_row)
            position = stored
        self._summary.first_row = position.next_row
        try:
            if not position.catalogue_sent:
                self._send_catalogue(catalogue_partitions)
                position = replace(position, catalogue_sent=True)
            file.note(position)
            blocks = until(events.blocks(position.next_row), end)
            started = time.monotonic()
            with ahead(event_records(block, partitions) for block in blocks) as prepared:
                self._send_events(prepared, events.size, position, file, started)
            self._sender.flush()
            self._tell("events", events.size, events.size)
        except SaranError as error:
            fix = "go on from there with --resume" if error.fix is None else f"{error.fix}; go on with --resume"
            raise SaranError(error.message, fix=fix) from error
        finally:
            file.save()
        counts = self._sender.counts
        self._summary.sent, self._summary.acknowledged, self._summary.bytes = (
            counts.sent, counts.acknowledged, counts.bytes,
        )  # fmt: skip
        self._summary.seconds = time.monotonic() - started
        self._summary.rows_per_second = self._summary.rows / self._summary.seconds
        _log.info("loaded %s: %s", self._dataset.spec.name, self._summary)
        return self._summary

    def _send_catalogue(self, partitions: int) -> None:
        started = time.monotonic()
        prepared = (item_records(block, partitions) for block in self._dataset.read_items(block_bytes=BLOCK_BYTES))
        with ahead(prepared) as blocks:
            for records in blocks:
                for piece, _ in records.slices():
                    self._sender.send(Topic.CATALOG, piece, _nothing)
                self._summary.items += len(records.rows) - records.rejected
                self._summary.wrong_items += records.rejected
                self._tell("catalogue", records.bytes_read, None, records.rejected)
        self._sender.flush()
        self._tell("catalogue", 1, 1)
        self._summary.catalogue_seconds = time.monotonic() - started
        _log.info("catalogue: %d items, %d wrong rows", self._summary.items, self._summary.wrong_items)

    def _send_events(
        self, prepared: Iterator[Records], size: int, position: Position, file: ResumeFile, started: float
    ) -> None:
        rate = self._options.rate
        most = None if rate is None else max(1, int(rate / _SLICES_A_SECOND))
        row, sent = position.next_row, 0
        for records in prepared:
            for piece, next_row in records.slices(most):
                if rate is not None:
                    self._wait_until(started + sent / rate)
                self._sender.send(self._topic, piece, self._noting(position, row, next_row, file))
                sent += len(piece.keys)
                row = next_row
                self._metrics.rate.set(sent / max(1e-3, time.monotonic() - started))
                if rate is not None:
                    self._tell("events", records.bytes_read, size)
            self._summary.rows += records.next_row - max(position.next_row, records.first_row)
            self._summary.events += len(records.rows) - records.rejected
            self._summary.wrong_rows += records.rejected
            self._summary.left_out += records.left_out
            self._tell("events", records.bytes_read, size, records.rejected)

    def _noting(self, position: Position, first: int, next_row: int, file: ResumeFile) -> Callable[[], None]:
        """What happens when the records up to `next_row` are acknowledged."""

        def acknowledged() -> None:
            file.note(replace(position, next_row=next_row))
            if batch_of(next_row) > batch_of(first):
                _log.info("batch %d acknowledged, up to row %d", batch_of(first), next_row)
                self._metrics.batch.set(batch_of(first))

        return acknowledged

    def _wait_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            self._sender.poll(min(left, 0.1))

    def _tell(self, stage: str, done: int, total: int | None, rejected: int = 0) -> None:
        self._metrics.update(self._sender.counts, rejected)
        self._progress(stage, done, total, self._sender.counts.sent)


def _nothing() -> None:
    """A catalogue is sent whole again after a kill, so nothing is noted for its parts."""
