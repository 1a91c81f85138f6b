"""Renderings that no example shows."""

from __future__ import annotations

from typing import Any

from charts.render import documents, helm_template


def encrypted() -> list[dict[str, Any]]:
    """Everything in the namespace, TLS on, files from the bucket, HTTPRoutes, monitors: what no example shows."""
    sets = ("kafka.tls=true", "storage.minio.tls=true", "dataset.source=bucket", "routes.kind=HTTPRoute")
    more = ("monitoring.enabled=true", "kafka.controllers=1", "backup.enabled=true")
    rest = ("trino.enabled=true", "mlflow.enabled=true")
    return documents(helm_template(sets=(*sets, *more, *rest)))
