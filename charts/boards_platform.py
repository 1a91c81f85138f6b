"""Dashboards of what moves the data: Kafka, streams, pods."""

from __future__ import annotations

from typing import Final

from charts.panels import RATE, Board, Row, panel, quantiles

EXPORTER: Final = "Of the Kafka exporter (`kafka.exporter.enabled`)."

LAG: Final = Board(
    "lag",
    "Consumer lag and topics",
    (
        Row(
            "Lag",
            (
                panel(
                    "Records to read",
                    "short",
                    ("sum by (group) (saran:consumer_lag:records{@})", "{{group}}"),
                    kind="number",
                ),
                panel(
                    "Records that will expire unread",
                    "short",
                    ("sum by (topic) (saran_ingest_expiring_records{@})", "{{topic}}"),
                    description="In Kafka for half of the time that it keeps them, and not in silver.",
                    kind="number",
                ),
                panel(
                    "By group and topic",
                    "short",
                    ("sum by (group, topic) (saran:consumer_lag:records{@})", "{{group}} {{topic}}"),
                ),
                panel("By partition", "short", ("saran:consumer_lag:records{@}", "{{group}} {{topic}}/{{partition}}")),
            ),
        ),
        Row(
            "Topics",
            (
                panel(
                    "Records a second by topic",
                    "wps",
                    ("sum by (topic) (saran:topic_records:rate5m{@})", "{{topic}}"),
                ),
                panel(
                    "Records a second by partition",
                    "wps",
                    ("saran:topic_records:rate5m{@}", "{{topic}}/{{partition}}"),
                    description="Events are spread by their user: one line far above the others is one busy user.",
                ),
            ),
        ),
        Row(
            "Producers",
            (
                panel(
                    "Records acknowledged a second",
                    "wps",
                    (
                        f"sum by (dataset) (rate(saran_load_records_acknowledged_total{{@}}[{RATE}]))",
                        "load {{dataset}}",
                    ),
                    (f"sum(rate(saran_api_events_accepted_total{{@}}[{RATE}]))", "API"),
                ),
                panel(
                    "Bytes a second of loads",
                    "Bps",
                    (f"sum by (dataset) (rate(saran_load_bytes_total{{@}}[{RATE}]))", "{{dataset}}"),
                ),
                panel(
                    "Not acknowledged, and refused",
                    "short",
                    (f"sum(increase(saran_load_errors_total{{@}}[{RATE}]))", "errors of loads"),
                    (f"sum(increase(saran_load_rows_rejected_total{{@}}[{RATE}]))", "wrong rows of files"),
                    (f"sum(increase(saran_api_kafka_errors_total{{@}}[{RATE}]))", "requests of the API"),
                ),
            ),
        ),
        Row(
            "Brokers",
            (
                panel("Brokers", "short", ("max(kafka_brokers{@})", ""), description=EXPORTER, kind="number"),
                panel(
                    "Partitions without all copies",
                    "short",
                    ("sum by (topic) (kafka_topic_partition_under_replicated_partition{@})", "{{topic}}"),
                    description=EXPORTER,
                    kind="number",
                ),
                panel(
                    "Records kept",
                    "short",
                    (
                        "sum by (topic) "
                        "(kafka_topic_partition_current_offset{@} - kafka_topic_partition_oldest_offset{@})",
                        "{{topic}}",
                    ),
                    description=EXPORTER,
                ),
            ),
        ),
    ),
)

STREAMS: Final = Board(
    "streams",
    "Streams",
    (
        Row(
            "Ingest: Kafka to bronze and silver",
            (
                panel(
                    "Input rows a second",
                    "rowsps",
                    (f"sum by (topic) (rate(saran_ingest_records_total{{@}}[{RATE}]))", "{{topic}}"),
                ),
                panel(
                    "Processed rows a second",
                    "rowsps",
                    (
                        f"sum by (topic) (rate(saran_ingest_records_total{{@}}[{RATE}]))"
                        f" / sum by (topic) (rate(saran_ingest_batch_seconds_sum{{@}}[{RATE}]))",
                        "{{topic}}",
                    ),
                    ("max by (topic) (saran_ingest_records_per_second{@})", "{{topic}}, newest micro-batch"),
                    description="While a micro-batch runs. Above the input it catches up, below it falls behind.",
                ),
                panel("Time of a micro-batch", "s", *quantiles("saran_ingest_batch_seconds", by="topic")),
                panel(
                    "Offsets behind",
                    "short",
                    ("max by (topic, partition) (saran_ingest_offsets_behind{@})", "{{topic}}/{{partition}}"),
                ),
                panel(
                    "What became of records, a second",
                    "rowsps",
                    (
                        f"sum by (topic, outcome) (rate(saran_ingest_records_total{{@}}[{RATE}]))",
                        "{{topic}} {{outcome}}",
                    ),
                    kind="area",
                ),
                panel(
                    "Share of duplicates and of rejected records",
                    "percentunit",
                    (
                        f'sum by (topic, outcome) (rate(saran_ingest_records_total{{@, outcome!="new"}}[{RATE}]))'
                        f" / on (topic) group_left () sum by (topic) (rate(saran_ingest_records_total{{@}}[{RATE}]))",
                        "{{topic}} {{outcome}}",
                    ),
                ),
                panel(
                    "Micro-batches a second",
                    "ops",
                    (f"sum by (topic) (rate(saran_ingest_batch_seconds_count{{@}}[{RATE}]))", "{{topic}}"),
                ),
                panel("Rows of tables", "short", ("max by (table) (saran_ingest_table_rows{@})", "{{table}}")),
                panel(
                    "Versions of silver that trends lack",
                    "short",
                    ("max(saran_trends_versions_behind{@})", "behind"),
                    (f"sum(increase(saran_trends_failed_batches_total{{@}}[{RATE}]))", "failed batches"),
                    description="As of the last batch of trends. They rest between batches, so that ingest goes first.",
                ),
                panel("Time of a batch of trends", "s", ("max(saran_trends_batch_seconds{@})", "")),
            ),
        ),
        Row(
            "Online worker: Kafka to histories",
            (
                panel(
                    "Records a second",
                    "rowsps",
                    (f"sum by (outcome) (rate(saran_worker_records_total{{@}}[{RATE}]))", "{{outcome}}"),
                    (f"sum(rate(saran_worker_users_total{{@}}[{RATE}]))", "histories written"),
                ),
                panel("Time of a batch", "s", *quantiles("saran_worker_batch_seconds")),
                panel(
                    "Age of the newest event when it was stored",
                    "s",
                    ("max(saran_worker_delay_seconds{@})", ""),
                    description="From Kafka's time stamp to the commit.",
                ),
                panel(
                    "Offsets behind",
                    "short",
                    ("max by (topic, partition) (saran_worker_offsets_behind{@})", "{{topic}}/{{partition}}"),
                ),
                panel(
                    "Batches tried again",
                    "short",
                    (f"sum by (reason) (increase(saran_worker_retries_total{{@}}[{RATE}])) or vector(0)", "{{reason}}"),
                ),
            ),
        ),
    ),
)

PLATFORM: Final = Board(
    "platform",
    "Platform",
    (
        Row(
            "Targets",
            (
                panel(
                    "Parts that answer Prometheus",
                    "short",
                    ("sum by (app_kubernetes_io_component) (up{@})", "{{app_kubernetes_io_component}}"),
                    kind="number",
                ),
                panel(
                    "Spark drivers by phase",
                    "short",
                    (
                        'sum by (phase) (kube_pod_status_phase{@, pod=~".+-driver"})',
                        "{{phase}}",
                    ),
                    description="Of kube-state-metrics.",
                ),
                panel(
                    "Restarts of containers by the hour",
                    "short",
                    (
                        "sum by (container) (increase(kube_pod_container_status_restarts_total{@}[1h])) > 0",
                        "{{container}}",
                    ),
                    description="Of kube-state-metrics.",
                ),
                panel(
                    "Volumes in use",
                    "percentunit",
                    (
                        "1 - min by (persistentvolumeclaim) "
                        "(kubelet_volume_stats_available_bytes{@} / kubelet_volume_stats_capacity_bytes{@})",
                        "{{persistentvolumeclaim}}",
                    ),
                    description="Of the kubelet.",
                ),
            ),
        ),
    ),
)
