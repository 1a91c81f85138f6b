"""`saran submit` against a real API server with the Spark operator's CRDs and no operator: the test is the operator.

SARAN_TEST_KUBECONFIG names it. Never the kubeconfig of the user: an operator there would act on what is made here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from saran.cli.cluster.client import APPLICATIONS, GROUP, SCHEDULES, VERSION, Cluster, connect
from saran.core.settings import CHECKOUT

KUBECONFIG = os.environ.get("SARAN_TEST_KUBECONFIG", "")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not KUBECONFIG, reason="SARAN_TEST_KUBECONFIG names no API server to test `saran submit` with"),
]
PATIENCE = 120.0


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {**os.environ, "KUBECONFIG": KUBECONFIG, "NO_COLOR": "1", "COLUMNS": "200"}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A namespace of its own with the schedule of a release `shop`."""
    from kubernetes import client

    # The kubeconfig's place is read when the client is imported.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", KUBECONFIG)
    found = connect(f"saran-test-{uuid.uuid4().hex[:8]}")
    core = client.CoreV1Api(found._api)
    core.create_namespace({"metadata": {"name": found.namespace}})  # type: ignore[arg-type]
    by_hand = yaml.safe_load((CHECKOUT / "k8s/spark/train-recommender.yaml").read_text())
    scheduled = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ScheduledSparkApplication",
        "metadata": {"name": "shop-train-recommender", "labels": by_hand["metadata"]["labels"]},
        "spec": {"schedule": "@every 6h", "suspend": True, "template": by_hand["spec"]},
    }
    found._custom.create_namespaced_custom_object(GROUP, VERSION, found.namespace, SCHEDULES, scheduled)
    try:
        yield found
    finally:
        core.delete_namespace(found.namespace)


def begin(cluster: Cluster, environment: dict[str, str], *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "saran.cli", "submit", "train-recommender", "-n", cluster.namespace, *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def the_application(cluster: Cluster) -> dict[str, Any]:
    """The one application, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while not (found := cluster.resources(APPLICATIONS)):
        assert time.monotonic() < deadline, "no application was made"
        time.sleep(0.1)
    assert len(found) == 1
    return found[0]


def becomes(cluster: Cluster, name: str, state: str, message: str = "") -> None:
    """What the operator would write."""
    status = {
        "applicationState": {"state": state, "errorMessage": message},
        "driverInfo": {"podName": f"{name}-driver"},
        "lastSubmissionAttemptTime": None,
        "terminationTime": None,
    }
    cluster._custom.patch_namespaced_custom_object_status(
        GROUP, VERSION, cluster.namespace, APPLICATIONS, name, {"status": status}
    )


def test_one_that_completes(cluster: Cluster, environment: dict[str, str]) -> None:
    running = begin(cluster, environment, "--set", "rank=8", "--json")
    made = the_application(cluster)
    name = made["metadata"]["name"]
    assert name.startswith("shop-train-recommender-")
    assert made["spec"]["arguments"] == ["--set", "rank=8"]
    assert made["spec"]["driver"]["serviceAccount"] == "shop-spark-driver"

    second = begin(cluster, environment)
    _, refusal = second.communicate(timeout=PATIENCE)
    assert second.returncode == 1
    assert f"runs already as {name}" in refusal

    becomes(cluster, name, "RUNNING")
    becomes(cluster, name, "COMPLETED")
    result, words = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, words
    answer = json.loads(result)
    assert {key: answer[key] for key in ("application", "namespace", "state", "reason", "arguments")} == {
        "application": name,
        "namespace": cluster.namespace,
        "state": "COMPLETED",
        "reason": None,
        "arguments": ["--set", "rank=8"],
    }
    assert cluster.resources(APPLICATIONS) == []


def test_one_that_fails_for_memory_and_is_kept(cluster: Cluster, environment: dict[str, str]) -> None:
    running = begin(cluster, environment, "--keep")
    name = the_application(cluster)["metadata"]["name"]
    container = {
        "name": "spark-kubernetes-driver",
        "image": "saran/spark",
        "resources": {"limits": {"memory": "1152Mi"}},
    }
    pod = {"metadata": {"name": f"{name}-driver"}, "spec": {"containers": [container]}}
    cluster._core.create_namespaced_pod(cluster.namespace, pod)  # type: ignore[arg-type]
    ended = {"exitCode": 137, "reason": "OOMKilled", "startedAt": None, "finishedAt": None}
    held = {"name": "spark-kubernetes-driver", "image": "saran/spark", "imageID": "", "ready": False, "restartCount": 0}
    status = {"status": {"phase": "Failed", "containerStatuses": [{**held, "state": {"terminated": ended}}]}}
    cluster._core.patch_namespaced_pod_status(f"{name}-driver", cluster.namespace, status)
    becomes(cluster, name, "FAILED", "driver container failed with ExitCode: 137, Reason: OOMKilled")
    _, words = running.communicate(timeout=PATIENCE)
    assert running.returncode == 1
    assert f"error: {name} failed: the driver was killed for want of memory (it may have 1152Mi)" in words
    assert the_application(cluster)["metadata"]["name"] == name


def test_one_that_never_starts(cluster: Cluster, environment: dict[str, str]) -> None:
    running = begin(cluster, environment, "--timeout", "1")
    name = the_application(cluster)["metadata"]["name"]
    event = {
        "metadata": {"name": f"{name}.1", "namespace": cluster.namespace},
        "involvedObject": {"kind": "SparkApplication", "name": name, "namespace": cluster.namespace},
        "type": "Warning",
        "reason": "NoQuota",
        "message": "the quota is used up",
    }
    cluster._core.create_namespaced_event(cluster.namespace, event)  # type: ignore[arg-type]
    _, words = running.communicate(timeout=PATIENCE)
    assert running.returncode == 1
    assert f"error: {name} has not ended after 1 s: it waits the quota is used up" in words
    assert cluster.resources(APPLICATIONS) == []


def test_no_follow_leaves_it_to_the_operator(cluster: Cluster, environment: dict[str, str]) -> None:
    left = begin(cluster, environment, "--no-follow", "--json")
    result, _ = left.communicate(timeout=PATIENCE)
    assert left.returncode == 0
    made = the_application(cluster)
    assert json.loads(result)["application"] == made["metadata"]["name"]
    assert made["spec"]["timeToLiveSeconds"] == 86400


def test_a_user_without_rights_is_told(cluster: Cluster, environment: dict[str, str], tmp_path: Path) -> None:
    account = {"metadata": {"name": "nobody"}}
    cluster._core.create_namespaced_service_account(cluster.namespace, account)  # type: ignore[arg-type]
    asked: Any = {"spec": {"expirationSeconds": 600}}
    made: Any = cluster._core.create_namespaced_service_account_token("nobody", cluster.namespace, asked)
    token = made.status.token
    config = yaml.safe_load(Path(KUBECONFIG).read_text())
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": {"token": token}}]
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    refused = begin(cluster, {**environment, "KUBECONFIG": str(tmp_path / "config")})
    _, words = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == 1
    assert "the API server refuses to list scheduledsparkapplications" in words
    assert "is forbidden" in words
    assert "fix: ask for the right" in words
