"""What a load reports while it runs, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from saran.core.errors import SaranError
from saran.producer.sender import Counts


class LoadMetrics:
    """Counters of one load, in a registry of their own."""

    def __init__(self, dataset: str) -> None:
        self.registry = CollectorRegistry()
        self._seen = Counts()

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, ["dataset"], registry=self.registry)

        self._sent = counter("saran_load_records_sent", "Records handed to the Kafka client").labels(dataset)
        self._acknowledged = counter("saran_load_records_acknowledged", "Records that Kafka has").labels(dataset)
        self._bytes = counter("saran_load_bytes", "Bytes of keys and values sent").labels(dataset)
        self._errors = counter("saran_load_errors", "Errors that the Kafka client reported").labels(dataset)
        self._rejected = counter("saran_load_rows_rejected", "Rows of the file that were wrong").labels(dataset)
        self.batch = Gauge(
            "saran_load_batch", "Newest micro-batch that is acknowledged", ["dataset"], registry=self.registry
        ).labels(dataset)
        self.rate = Gauge(
            "saran_load_rate", "Records sent a second, since the load began", ["dataset"], registry=self.registry
        ).labels(dataset)

    def update(self, counts: Counts, rejected: int) -> None:
        """Take over the sender's counts, and `rejected` further wrong rows."""
        self._sent.inc(counts.sent - self._seen.sent)
        self._acknowledged.inc(counts.acknowledged - self._seen.acknowledged)
        self._bytes.inc(counts.bytes - self._seen.bytes)
        self._errors.inc(counts.errors - self._seen.errors)
        self._rejected.inc(rejected)
        self._seen = Counts(counts.sent, counts.acknowledged, counts.bytes, counts.errors)


@contextmanager
def served(metrics: LoadMetrics, port: int | None) -> Iterator[None]:
    """Serve the metrics at `port` (all addresses) while the context lasts; not at all when it is None."""
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, registry=metrics.registry)
    except OSError as error:
        raise SaranError(
            f"port {port} cannot be used: {error.strerror}", fix="choose another --metrics-port"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
