"""Jobs, submitted as people submit them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kubernetes import client

from tests.e2e.installation import Installation

_SECONDS: Final = 30


def submit(installation: Installation, job: str, **parameters: object) -> dict[str, Any]:
    """`saran submit`, to the job's end; its JSON."""
    options = ["--namespace", installation.namespace, "--release", installation.release]
    options += [part for name, value in parameters.items() for part in ("--set", f"{name}={value}")]
    done = subprocess.run(
        [sys.executable, "-m", "saran.cli", "submit", job, "--json", "--timeout", "1800", *options],
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=2000,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["state"] == "COMPLETED"
    return answer


@contextmanager
def load_again(installation: Installation, rate: int) -> Iterator[None]:
    """While the block runs, the load's Job runs once more, at `rate` events a second that silver has already."""
    batch = client.BatchV1Api(installation.core.api_client)
    where: dict[str, Any] = {"namespace": installation.namespace, "_request_timeout": _SECONDS}
    plain = installation.core.api_client.sanitize_for_serialization
    (load,) = plain(batch.list_namespaced_job(label_selector=installation.ours("producer"), **where))["items"]
    template = load["spec"]["template"]
    labels = template["metadata"]["labels"]
    # Without those by which the first Job knows its own pods.
    template["metadata"] = {"labels": {name: labels[name] for name in labels if name.startswith("app.kubernetes.io/")}}
    template["spec"]["containers"][0]["command"] += ["--rate", str(rate)]
    name = f"{installation.release}-load-again"
    spec = {"template": template, "backoffLimit": 0, "activeDeadlineSeconds": 1800}
    job: Any = {"metadata": {"name": name}, "spec": spec}
    batch.create_namespaced_job(body=job, **where)
    try:
        yield
    finally:
        batch.delete_namespaced_job(name, propagation_policy="Foreground", **where)
