"""Every pod that a rendering leads to, also those that an operator makes, in one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Pod:
    """Labels, security and containers of a pod. Containers are Kubernetes', also of Spark's pods."""

    name: str
    labels: Mapping[str, str]
    security: Mapping[str, Any]
    containers: list[dict[str, Any]]
    volumes: list[dict[str, Any]] = field(default_factory=list)
    account: str | None = None

    @property
    def component(self) -> str:
        """The part that it belongs to."""
        return self.labels["app.kubernetes.io/component"]


def pods(documents: list[dict[str, Any]]) -> Iterator[Pod]:
    """Pods of ours. Strimzi gives its pods their security itself."""
    for document in documents:
        kind, name, spec = document["kind"], document["metadata"]["name"], document.get("spec", {})
        if kind in {"Deployment", "StatefulSet", "Job"}:
            yield _pod(name, spec["template"]["metadata"], spec["template"]["spec"])
        elif kind == "CronJob":
            template = spec["jobTemplate"]["spec"]["template"]
            yield _pod(name, template["metadata"], template["spec"])
        elif kind == "Pod":
            yield _pod(name, document["metadata"], spec)
        elif kind == "Tenant":
            for pool in spec["pools"]:
                container = {
                    "name": "minio",
                    "image": spec["image"],
                    "securityContext": pool["containerSecurityContext"],
                }
                yield Pod(name, pool["labels"], pool["securityContext"], [container])
        elif kind == "SparkApplication":
            yield from _spark(name, spec)
        elif kind == "ScheduledSparkApplication":
            yield from _spark(name, spec["template"])


def _pod(name: str, metadata: dict[str, Any], spec: dict[str, Any]) -> Pod:
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    account = spec["serviceAccountName"]
    return Pod(name, metadata["labels"], spec["securityContext"], containers, spec.get("volumes", []), account)


def _spark(name: str, spec: dict[str, Any]) -> Iterator[Pod]:
    for role in ("driver", "executor"):
        part = spec[role]
        container = {"image": spec["image"], "name": role, **part}
        yield Pod(
            f"{name}-{role}",
            part["labels"],
            part["podSecurityContext"],
            [container],
            spec["volumes"],
            part["serviceAccount"],
        )


def environment(container: dict[str, Any]) -> dict[str, str]:
    """Variables of a container; `secret` stands for what comes from one."""
    return {each["name"]: each.get("value", "secret") for each in container.get("env", [])}
