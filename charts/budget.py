"""What a rendering of the charts requests of the nodes: processor time and memory, part by part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Document = Mapping[str, Any]

_UNITS: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 2**10, "m": 2**20, "g": 2**30}
"""Kubernetes' units, and Java's lower-case ones, which are powers of two."""

NODE: Final = (
    ("API server", 250, 0),
    ("controller manager", 200, 0),
    ("scheduler", 100, 0),
    ("etcd", 100, 100),
    ("CoreDNS, 2 pods", 200, 140),
    ("network (kindnet)", 100, 50),
)
"""Requests of a one-node kind cluster itself: (pod, millicores, MiB)."""


@dataclass(frozen=True)
class Request:
    """What all pods of one resource request. `brief` is of a job, which gives it back."""

    name: str
    millicores: int
    mebibytes: int
    brief: bool = False


def millicores(quantity: str | float) -> int:
    """Of Kubernetes' `250m`, `1` or `0.5`."""
    text = str(quantity)
    return int(text.removesuffix("m")) if text.endswith("m") else round(float(text) * 1000)


def mebibytes(quantity: str) -> int:
    """Of `512Mi`, or Java's `512m`."""
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]+)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * _UNITS[unit] // 2**20


def requests(documents: Iterable[Document]) -> list[Request]:
    """A row for each resource that makes pods."""
    return [row for document in documents for row in _of(document)]


def total(rows: Iterable[Request]) -> tuple[int, int]:
    """Millicores and MiB of all."""
    kept = list(rows)
    return sum(row.millicores for row in kept), sum(row.mebibytes for row in kept)


def _of(document: Document) -> Iterator[Request]:
    kind, name, spec = document["kind"], document["metadata"]["name"], document.get("spec", {})
    if kind in {"Deployment", "StatefulSet", "Job"}:
        pods = spec.get("replicas", 1)
        yield _of_pods(_unhashed(name) if kind == "Job" else name, pods, spec["template"]["spec"], brief=kind == "Job")
    elif kind == "CronJob":
        yield _of_pods(name, 1, spec["jobTemplate"]["spec"]["template"]["spec"], brief=True)
    elif kind == "KafkaNodePool":
        yield _row(name, spec["replicas"], spec["resources"])
    elif kind == "Kafka":
        operators = [spec["entityOperator"][part]["resources"] for part in ("topicOperator", "userOperator")]
        yield _sum(f"{name}-entity-operator", [_row("", 1, one) for one in operators])
        if "kafkaExporter" in spec:
            yield _row(f"{name}-kafka-exporter", 1, spec["kafkaExporter"]["resources"])
    elif kind == "Tenant":
        for pool in spec["pools"]:
            yield _row(f"{name}-{pool['name']}", pool["servers"], pool["resources"])
    elif kind == "SparkApplication":
        yield _spark(name, spec, brief=False)
    elif kind == "ScheduledSparkApplication" and not spec["suspend"]:
        yield _spark(name, spec["template"], brief=True)


def _of_pods(name: str, pods: int, spec: Mapping[str, Any], *, brief: bool) -> Request:
    """Init containers run before the others: of each quantity the larger counts."""
    running = _sum(name, [_row("", pods, one["resources"]) for one in spec["containers"]], brief=brief)
    first = [_row("", pods, one["resources"]) for one in spec.get("initContainers", [])]
    return Request(
        name,
        max([running.millicores, *(row.millicores for row in first)]),
        max([running.mebibytes, *(row.mebibytes for row in first)]),
        brief,
    )


def _spark(name: str, spec: Mapping[str, Any], *, brief: bool) -> Request:
    def pods(part: Mapping[str, Any], count: int) -> Request:
        memory = mebibytes(part["memory"]) + mebibytes(part["memoryOverhead"])
        return Request("", count * millicores(part["coreRequest"]), count * memory)

    executor = spec["executor"]
    return _sum(name, [pods(spec["driver"], 1), pods(executor, executor["instances"])], brief=brief)


def _row(name: str, count: int, resources: Mapping[str, Any]) -> Request:
    asked = resources["requests"]
    return Request(name, count * millicores(asked["cpu"]), count * mebibytes(asked["memory"]))


def _sum(name: str, rows: list[Request], *, brief: bool = False) -> Request:
    return Request(name, *total(rows), brief)


def _unhashed(name: str) -> str:
    return name.rsplit("-", 1)[0]
