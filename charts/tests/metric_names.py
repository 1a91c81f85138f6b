"""Which series there are: of Saran's parts as their registries have them, and of exporters as their documents say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from charts.render import CHART
from prometheus_client import CollectorRegistry

from saran.api.metrics import ApiMetrics
from saran.api.worker_metrics import WorkerMetrics
from saran.producer.monitor import LoadMetrics
from saran.spark.stream_metrics import StreamMetrics

FILES: Final = CHART / "files"
EXPORTERS: Final = {
    "Prometheus": {"up"},
    "Kafka exporter": {
        "kafka_brokers",
        "kafka_consumergroup_lag",
        "kafka_topic_partition_current_offset",
        "kafka_topic_partition_oldest_offset",
        "kafka_topic_partition_under_replicated_partition",
    },
    "kube-state-metrics": {
        "kube_cronjob_created",
        "kube_cronjob_next_schedule_time",
        "kube_cronjob_spec_suspend",
        "kube_cronjob_status_last_successful_time",
        "kube_pod_container_status_restarts_total",
        "kube_pod_created",
        "kube_pod_status_phase",
    },
    "kubelet": {"kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"},
}
"""Series of programs that are not Saran's, of which alerts and boards use these."""

_ENDINGS: Final = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
_NOISE: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"'  # texts
    r"|\{[^}]*\}"  # matchers
    r"|\[[^\]]*\]"  # ranges
    r"|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
)
_NAME: Final = re.compile(r"[a-zA-Z_:][\w:]*(?!\w*\s*\()")
_WORDS: Final = {"and", "or", "unless", "offset", "bool"}


def rule_files() -> dict[str, dict[str, Any]]:
    """Path below `files`, without its ending → content."""
    paths = sorted(FILES.glob("rules/*.yaml")) + sorted(FILES.glob("alerts/*.yaml"))
    return {f"{path.parent.name}/{path.stem}": yaml.safe_load(path.read_text()) for path in paths}


def panel_queries(namespace: str = "shop") -> Iterator[tuple[str, str]]:
    """Board and panel, and expression, of all that is checked in, with Grafana's variables filled in."""
    for path in sorted(FILES.glob("dashboards/*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                text = target["expr"].replace("$namespace", namespace)
                yield f"{path.stem}: {panel['title']}", re.sub(r"\$__\w+", "5m", text)


def rules(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rules of a file."""
    for group in found["groups"]:
        yield from group["rules"]


def used_names(expression: str) -> set[str]:
    """Series that a PromQL expression reads."""
    bare = re.sub(r"\b\d[\w.]*", " ", _NOISE.sub(" ", expression))
    return set(_NAME.findall(bare)) - _WORDS


def registries() -> list[CollectorRegistry]:
    """Those of the API, the worker, the stream driver and a load."""
    return [part.registry for part in (ApiMetrics(), WorkerMetrics(), StreamMetrics(), LoadMetrics("x"))]


def exported_names() -> set[str]:
    """Every series that a part of Saran exports."""
    return {
        f"{family.name}{ending}"
        for registry in registries()
        for family in registry.collect()
        for ending in _ENDINGS[family.type]
    }


def recorded_names() -> set[str]:
    """Every series that a rule records."""
    return {rule["record"] for found in rule_files().values() for rule in rules(found) if "record" in rule}


def known_names() -> set[str]:
    """All that an expression may read."""
    return exported_names() | recorded_names() | {name for names in EXPORTERS.values() for name in names}
