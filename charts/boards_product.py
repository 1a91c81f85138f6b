"""Dashboards of what comes of it: answers, models, sales."""

from __future__ import annotations

from typing import Final

from charts.panels import RATE, Board, Row, panel, quantiles

_NOT_PROBES: Final = ', route!~"/live|/ready|/health|/metrics"'
_LISTS: Final = ', route=~"/recommendations/.*"'

SERVING: Final = Board(
    "serving",
    "API and serving",
    (
        Row(
            "Requests",
            (
                panel(
                    "Requests a second by route",
                    "reqps",
                    (f"sum by (route) (rate(saran_api_requests_total{{@{_NOT_PROBES}}}[{RATE}]))", "{{route}}"),
                ),
                panel(
                    "Requests a second by status",
                    "reqps",
                    (f"sum by (status) (rate(saran_api_requests_total{{@{_NOT_PROBES}}}[{RATE}]))", "{{status}}"),
                    kind="area",
                ),
                panel("Requests being answered", "short", ("sum(saran_api_open_requests{@})", "")),
                panel("Time to recommendations", "s", *quantiles("saran_api_request_seconds", _LISTS)),
                panel(
                    "Time to answer, 99th percentile by route",
                    "s",
                    (
                        "histogram_quantile(0.99, sum by (le, route) "
                        f"(rate(saran_api_request_seconds_bucket{{@{_NOT_PROBES}}}[{RATE}])))",
                        "{{route}}",
                    ),
                ),
                panel(
                    "Share of 5xx",
                    "percentunit",
                    (
                        f'(sum(rate(saran_api_requests_total{{@, status=~"5.."{_NOT_PROBES}}}[{RATE}])) or vector(0))'
                        f" / sum(rate(saran_api_requests_total{{@{_NOT_PROBES}}}[{RATE}]))",
                        "",
                    ),
                ),
            ),
        ),
        Row(
            "Lists",
            (
                panel(
                    "Lists a second by source",
                    "ops",
                    (f"sum by (source) (rate(saran_api_recommendations_total{{@}}[{RATE}]))", "{{source}}"),
                    description="Degraded ones could not read the user's history.",
                    kind="area",
                ),
                panel(
                    "Share of lists that are not personal",
                    "percentunit",
                    (
                        f'sum(rate(saran_api_recommendations_total{{@, source!="personal"}}[{RATE}]))'
                        f" / sum(rate(saran_api_recommendations_total{{@}}[{RATE}]))",
                        "",
                    ),
                ),
                panel(
                    "Users answered together",
                    "short",
                    (
                        f"sum(rate(saran_api_batch_users_sum{{@}}[{RATE}]))"
                        f" / sum(rate(saran_api_batch_users_count{{@}}[{RATE}]))",
                        "mean",
                    ),
                ),
            ),
        ),
        Row(
            "Experiments",
            (
                panel(
                    "Items shown a second",
                    "ops",
                    (f"sum by (outcome) (rate(saran_api_exposures_total{{@}}[{RATE}]))", "{{outcome}}"),
                    description="Lost ones are in no figure: Kafka did not take them.",
                ),
            ),
        ),
        Row(
            "Streams of lists",
            (
                panel("Streams open", "short", ("sum by (stream) (saran_api_stream_clients{@})", "{{stream}}")),
                panel(
                    "Lists sent a second",
                    "ops",
                    (f"sum by (stream) (rate(saran_api_stream_updates_total{{@}}[{RATE}]))", "{{stream}}"),
                ),
                panel(
                    "From an event to the list that it changed",
                    "s",
                    *quantiles("saran_api_stream_update_seconds", ""),
                    description="By the time of the event's record in Kafka: clocks of several machines count in.",
                ),
                panel(
                    "Streams not opened, as there were too many",
                    "short",
                    (f"sum(increase(saran_api_streams_refused_total{{@}}[{RATE}]))", ""),
                ),
            ),
        ),
        Row(
            "Events",
            (
                panel(
                    "Events taken a second",
                    "ops",
                    (f"sum(rate(saran_api_events_accepted_total{{@}}[{RATE}]))", "acknowledged"),
                    (f"sum(rate(saran_api_events_refused_total{{@}}[{RATE}]))", "refused"),
                ),
                panel(
                    "Requests that Kafka did not acknowledge",
                    "short",
                    (f"sum(increase(saran_api_kafka_errors_total{{@}}[{RATE}]))", ""),
                ),
            ),
        ),
    ),
)

MODEL: Final = Board(
    "model",
    "Model",
    (
        Row(
            "Served version",
            (
                panel(
                    "Version",
                    "short",
                    ("max by (name, version) (saran_api_model_info{@})", "{{version}}"),
                    kind="name",
                ),
                panel(
                    "Age",
                    "s",
                    ("time() - min by (name) (saran_api_model_created_timestamp_seconds{@})", "{{name}}"),
                    kind="number",
                ),
                panel(
                    "Pods that serve it",
                    "short",
                    ("count by (version) (saran_api_model_info{@})", "{{version}}"),
                    description="Two versions at once are normal for a second.",
                ),
                panel(
                    "Versions refused",
                    "short",
                    (f"sum(increase(saran_api_models_refused_total{{@}}[{RATE}]))", ""),
                    description="Looks at a version that is broken or cannot be read; the one before stays.",
                ),
            ),
        ),
        Row(
            "Quality on held-out events",
            tuple(
                panel(
                    f"{title} of each model, with its 95 % interval",
                    "none",
                    (f'max by (model) (saran_api_model_quality{{@, metric="{metric}", bound="value"}})', "{{model}}"),
                    (
                        f'max by (model, bound) (saran_api_model_quality{{@, metric="{metric}", bound!="value"}})',
                        "{{model}} {{bound}}",
                    ),
                    description="As the trainer measured it. A new version is a step.",
                )
                for title, metric in (("NDCG@10", "ndcg@10"), ("Recall@20", "recall@20"))
            ),
        ),
    ),
)


_EVENTS: Final = "Events, not visitors; a replayed event counts again."


def _events(*actions: str) -> str:
    return f'sum(increase(saran_worker_events_total{{@, action=~"{"|".join(actions)}"}}[$__range]))'


BUSINESS: Final = Board(
    "business",
    "Business",
    (
        Row(
            "Funnel of the shown time",
            (
                *(
                    panel(title, "short", (_events(*actions), ""), kind="number")
                    for title, actions in (
                        ("Views and clicks", ("view", "click")),
                        ("Put into carts", ("add_to_cart",)),
                        ("Purchases", ("purchase",)),
                        ("Ratings", ("rate",)),
                    )
                ),
                *(
                    panel(
                        title,
                        "percentunit",
                        (f"{_events(*upper)} / {_events(*lower)}", ""),
                        kind="number",
                        description=_EVENTS,
                    )
                    for title, upper, lower in (
                        ("Carts of views", ("add_to_cart",), ("view", "click")),
                        ("Purchases of carts", ("purchase",), ("add_to_cart",)),
                        ("Purchases of views", ("purchase",), ("view", "click")),
                    )
                ),
            ),
        ),
        Row(
            "Over time",
            (
                panel(
                    "Events a second by action",
                    "ops",
                    (f"sum by (action) (rate(saran_worker_events_total{{@}}[{RATE}]))", "{{action}}"),
                    description="When they came, not when they happened: a replayed file shows its loading.",
                    kind="area",
                ),
                panel(
                    "Purchases of views, by the hour",
                    "percentunit",
                    (
                        'sum(increase(saran_worker_events_total{@, action="purchase"}[1h]))'
                        ' / sum(increase(saran_worker_events_total{@, action=~"view|click"}[1h]))',
                        "",
                    ),
                ),
                panel(
                    "Lists served by the hour",
                    "short",
                    ("sum by (source) (increase(saran_api_recommendations_total{@}[1h]))", "{{source}}"),
                ),
            ),
        ),
    ),
)
