"""What the API tells Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class ApiMetrics:
    """The API's series, in a registry of their own. `requests` counts since the start."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = 0
        registry = self.registry
        self._count = Counter(
            "saran_api_requests_total", "Requests by route", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "saran_api_request_seconds", "Time to answer by route", ["route"], buckets=_SECONDS, registry=registry
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
        self.kafka_errors = Counter(
            "saran_api_kafka_errors_total", "Requests whose events Kafka did not acknowledge", registry=registry
        )
        self.model = Gauge("saran_api_model_info", "1 for the served version", ["name", "version"], registry=registry)
        self.refused = Counter("saran_api_models_refused_total", "Versions that were broken", registry=registry)
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

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
