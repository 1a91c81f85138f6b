"""What the worker tells Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


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
