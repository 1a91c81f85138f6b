"""What the worker tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from saran.core.entities import ACTION_CODES


class WorkerMetrics:
    """The worker's series, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.records = Counter(
            "saran_worker_records_total",
            "Records read from Kafka, by what became of them",
            ["outcome"],
            registry=self.registry,
        )
        self._events = Counter(
            "saran_worker_events_total", "Events read, repeated ones too, by action", ["action"], registry=self.registry
        )
        self._behind = Gauge(
            "saran_worker_offsets_behind",
            "Records in Kafka that this worker has not stored, of the partitions that it reads",
            ["topic", "partition"],
            registry=self.registry,
        )
        self.users = Counter("saran_worker_users_total", "Histories written", registry=self.registry)
        self.batch_seconds = Histogram(
            "saran_worker_batch_seconds",
            "From the first record in hand to its transaction's commit",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=self.registry,
        )
        self.delay_seconds = Gauge(
            "saran_worker_delay_seconds",
            "Age of the newest record of the last batch when it was stored",
            registry=self.registry,
        )
        self.retries = Counter(
            "saran_worker_retries_total", "Batches tried again, by reason", ["reason"], registry=self.registry
        )
        # A share of purchases can be told from the first event on.
        self._by_action = {code: self._events.labels(action) for action, code in ACTION_CODES.items()}

    def actions(self, codes: NDArray[np.int16]) -> None:
        """Count events by their actions' codes (events,)."""
        for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
            self._by_action[int(code)].inc(int(count))

    def reading(self, topic: str, partition: int, behind: Callable[[], int]) -> None:
        """The worker was given a partition; `behind` is asked whenever metrics are read, in another thread."""
        self._behind.labels(topic, str(partition)).set_function(behind)

    def gave_up(self, topic: str, partition: int) -> None:
        """The partition is another worker's now, or nobody's."""
        self._behind.remove(topic, str(partition))
