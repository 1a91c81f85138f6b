"""What the API tells Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from saran.api.latencies import by_route
from saran.core.model_folder import Evaluation
from saran.core.system_shapes import RouteTimes
from saran.core.versions import VersionFacts

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class ApiMetrics:
    """The API's series, in a registry of their own. `requests` counts since the start."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = 0
        self.open_requests = 0
        registry = self.registry
        self._count = Counter(
            "saran_api_requests_total", "Requests by route", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "saran_api_request_seconds", "Time to answer by route", ["route"], buckets=_SECONDS, registry=registry
        )
        Gauge("saran_api_open_requests", "Requests that are being answered", registry=registry).set_function(
            lambda: self.open_requests
        )
        self._answers = Counter(
            "saran_api_recommendations_total", "Lists by where they come from", ["source"], registry=registry
        )
        self.personal = self._answers.labels("personal")
        self.popular = self._answers.labels("popular")
        self.degraded = self._answers.labels("degraded")
        self.batch = Histogram(
            "saran_api_batch_users",
            "Users answered together",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=registry,
        )
        self.events = Counter("saran_api_events_accepted_total", "Events that Kafka acknowledged", registry=registry)
        self.events_refused = Counter(
            "saran_api_events_refused_total", "Elements of lists that were no events", registry=registry
        )
        self.kafka_errors = Counter(
            "saran_api_kafka_errors_total", "Requests whose events Kafka did not acknowledge", registry=registry
        )
        self._model = Gauge("saran_api_model_info", "1 for the served version", ["name", "version"], registry=registry)
        self._created = Gauge(
            "saran_api_model_created_timestamp_seconds", "When the served version was made", ["name"], registry=registry
        )
        self._quality = Gauge(
            "saran_api_model_quality",
            "How the served version, and what it is compared with, did on held-out events; with a 95 % interval",
            ["name", "model", "metric", "bound"],
            registry=registry,
        )
        self._lag = Gauge(
            "saran_api_consumer_lag",
            "Records that a consumer group has not read, by the offsets that Kafka has of it",
            ["group", "topic", "partition"],
            registry=registry,
        )
        self._certificates = Gauge(
            "saran_api_certificate_end_timestamp_seconds",
            "When the certificate ends that Kafka or the object store shows",
            ["peer"],
            registry=registry,
        )
        self.stream_clients = Gauge(
            "saran_api_stream_clients", "Streams of server-sent events that are open", ["stream"], registry=registry
        )
        self.streams_refused = Counter(
            "saran_api_streams_refused_total", "Streams that were not opened, as there were too many", registry=registry
        )
        self._stream_updates = Counter(
            "saran_api_stream_updates_total",
            "What was sent on streams, without heartbeats",
            ["stream"],
            registry=registry,
        )
        self._stream_seconds = Histogram(
            "saran_api_stream_update_seconds",
            "From an event's record in Kafka, by its own time, to the list that it changed",
            ["stream"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._exposures = Counter(
            "saran_api_exposures_total",
            "Items shown in an experiment, by whether Kafka has the impression",
            ["outcome"],
            registry=registry,
        )
        self.exposures = self._exposures.labels("logged")
        self.exposures_lost = self._exposures.labels("lost")
        self.refused = Counter("saran_api_models_refused_total", "Versions that were broken", registry=registry)
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def times(self) -> dict[str, RouteTimes]:
        """How long answers took, by route."""
        return by_route(self._seconds)

    def lists_made(self) -> float:
        """Lists since the start, wherever they come from."""
        return sum(
            one.value for family in self._answers.collect() for one in family.samples if one.name.endswith("_total")
        )

    def serving(self, manifest: VersionFacts) -> None:
        """Take in which version of its model is served, instead of the one before."""
        name = manifest.name
        for gauge in (self._model, self._created, self._quality):
            gauge.remove_by_labels({"name": name})
        self._model.labels(name, manifest.version).set(1)
        self._created.labels(name).set(manifest.created_at.timestamp())
        evaluation: Evaluation | None = getattr(manifest, "evaluation", None)
        for model, metrics in (evaluation.metrics if evaluation else {}).items():
            for metric, figure in metrics.items():
                for bound, value in figure.model_dump().items():
                    self._quality.labels(name, model, metric, bound).set(value)

    def behind(self, lag: Mapping[str, Mapping[str, Mapping[int, int | None]]]) -> None:
        """Take in the lag by group, topic and partition; what is unknown now has no series."""
        self._lag.clear()
        for group, topics in lag.items():
            for topic, partitions in topics.items():
                for partition, records in partitions.items():
                    if records is not None:
                        self._lag.labels(group, topic, str(partition)).set(max(0, records))

    def certificates(self, ends: Mapping[str, float]) -> None:
        """Take in when certificates end, by peer; what is unknown now has no series."""
        self._certificates.clear()
        for peer, end in ends.items():
            self._certificates.labels(peer).set(end)

    def streamed(self, stream: str, seconds: float | None = None) -> None:
        """Count one message of a stream, sent `seconds` after the event that made it, if one did."""
        self._stream_updates.labels(stream).inc()
        if seconds is not None:
            self._stream_seconds.labels(stream).observe(max(0.0, seconds))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests += 1
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            # Looking a child up by its labels costs more than counting.
            children = (self._count.labels(method, route, str(status)), self._seconds.labels(route))
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)
