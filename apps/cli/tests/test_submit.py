"""`saran submit` without a cluster: how an application is made of a schedule, followed, and its failure told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from saran.cli.cluster import submit as submitting
from saran.cli.cluster.applications import application_of, pick, selector, telling, waiting_for, why_failed
from saran.cli.cluster.client import APPLICATIONS, SCHEDULES, Cluster, Resource, Unreachable
from saran.cli.cluster.follow import follow
from saran.core.errors import SaranError
from saran.core.settings import CHECKOUT

LABELS = {
    "app.kubernetes.io/name": "saran",
    "app.kubernetes.io/instance": "shop",
    "app.kubernetes.io/component": "trainer",
    "app.kubernetes.io/part-of": "saran",
}
SUBMISSION = """failed to run spark-submit: exit status 1
26/11/22 20:00:00 INFO SparkKubernetesClientFactory: Auto-configuring K8S client
Exception in thread "main" io.fabric8.kubernetes.client.KubernetesClientException: Failure executing: POST at: \
https://10.96.0.1/api/v1/namespaces/shop/pods. Message: pods "x-driver" is forbidden: violates PodSecurity \
"restricted:latest". Received status: Status(apiVersion=v1, code=403, …)
\tat io.fabric8.kubernetes.client.dsl.internal.OperationSupport.requestFailure(OperationSupport.java:507)
26/11/22 20:00:01 INFO ShutdownHookManager: Shutdown hook called"""


def schedule(release: str = "shop") -> Resource:
    return {
        "metadata": {
            "name": f"{release}-train-recommender",
            "labels": {
                **LABELS,
                "app.kubernetes.io/instance": release,
                "app.kubernetes.io/managed-by": "Helm",
                "helm.sh/chart": "saran-0.1.0",
            },
        },
        "spec": {"schedule": "@every 6h", "template": {"type": "Python", "arguments": ["--seed", "7"]}},
    }


def application(state: str, message: str = "", name: str = "shop-train-recommender-abcde") -> Resource:
    status = {"applicationState": {"state": state, "errorMessage": message}}
    return {"metadata": {"name": name}, "status": status if state else {}}


def driver(uid: str = "1", *, phase: str = "Running", limit: str = "", **state: Any) -> Resource:
    container = {"name": "spark-kubernetes-driver", "resources": {"limits": {"memory": limit}}}
    statuses = [{"name": "sidecar", "state": {}}, {"name": "spark-kubernetes-driver", "state": state}]
    return {
        "metadata": {"name": "shop-train-recommender-abcde-driver", "uid": uid},
        "spec": {"containers": [container]},
        "status": {"phase": phase, "containerStatuses": statuses if state else []},
    }


def test_an_application_is_the_schedules_template_with_parameters_for_the_job() -> None:
    before = schedule()
    made = application_of(before, ["rank=64", "alpha=1"])
    assert made["spec"] == {
        "type": "Python",
        "arguments": ["--seed", "7", "--set", "rank=64", "--set", "alpha=1"],
        "timeToLiveSeconds": 86400,
    }
    assert made["metadata"] == {"generateName": "shop-train-recommender-", "labels": LABELS}
    assert before == schedule(), "what was read from the cluster is left as it is"
    kept = {**before, "spec": {"template": {"timeToLiveSeconds": 60}}}
    assert application_of(kept)["spec"] == {"timeToLiveSeconds": 60}


def test_an_application_is_what_the_chart_gives_to_apply_by_hand() -> None:
    by_hand = yaml.safe_load((CHECKOUT / "k8s/spark/train-recommender.yaml").read_text())
    labels = {**by_hand["metadata"]["labels"], "helm.sh/chart": "saran-0.1.0"}
    scheduled = {
        "metadata": {"name": "shop-train-recommender", "labels": labels},
        "spec": {"template": by_hand["spec"]},
    }
    made = application_of(scheduled)
    assert made["metadata"] == by_hand["metadata"]
    assert {**by_hand["spec"], "timeToLiveSeconds": 86400} == made["spec"]
    assert {key: made[key] for key in ("apiVersion", "kind")} == {key: by_hand[key] for key in ("apiVersion", "kind")}


def test_a_job_is_found_by_its_short_name_or_its_whole_one() -> None:
    one, other = schedule(), schedule("test")
    assert pick([one], "train-recommender", None, "shop") is one
    assert pick([one, other], "test-train-recommender", None, "shop") is other
    assert pick([one, other], "train-recommender", "test", "shop") is other
    with pytest.raises(SaranError, match="several releases in shop: shop, test"):
        pick([one, other], "train-recommender", None, "shop")
    with pytest.raises(SaranError, match=r"no job train-recomender .*choose from train-recommender"):
        pick([one], "train-recomender", None, "shop")
    with pytest.raises(SaranError, match="no release in default has jobs"):
        pick([], "train-recommender", None, "default")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["error: silver.events has no rows", "fix: load some"], "silver.events has no rows"),
        (
            [
                "Traceback (most recent call last):",
                '  File "train.py", line 3',
                "saran.core.errors.SaranError: ALS cannot be trained so: there is no parameter rnk",
                "26/11/22 INFO ShutdownHookManager: Shutdown hook called",
            ],
            "SaranError: ALS cannot be trained so: there is no parameter rnk",
        ),
        (
            [
                "py4j.protocol.Py4JJavaError: An error occurred while calling o54.load.",
                ": org.apache.hadoop.fs.UnsupportedFileSystemException: No FileSystem for scheme",
                "\tat org.apache.hadoop.fs.FileSystem.get(FileSystem.java:1)",
            ],
            "UnsupportedFileSystemException: No FileSystem for scheme",
        ),
        ([SUBMISSION], 'pods "x-driver" is forbidden: violates PodSecurity "restricted:latest"'),
        (["first", "  last words  ", ""], "last words"),
        ([], ""),
    ],
)
def test_last_words_are_told_in_one_line(said: list[str], told: str) -> None:
    assert telling(said) == told


def test_why_one_failed() -> None:
    memory = driver(limit="1152Mi", terminated={"exitCode": 137, "reason": "OOMKilled"})
    assert why_failed(application("FAILED", "driver container failed"), memory, ["last"]) == (
        "the driver was killed for want of memory (it may have 1152Mi): "
        "raise driver.memoryOverhead, which is Python's, or driver.memory, which is Java's"
    )
    ended = driver(terminated={"exitCode": 1, "reason": "Error"})
    message = "driver container failed with ExitCode: 1, Reason: Error"
    assert why_failed(application("FAILED", message), ended, ["error: no rows"]) == (
        "the driver ended with exit code 1: no rows"
    )
    assert why_failed(application("FAILED", message), ended, []) == f"the driver ended with exit code 1: {message}"
    assert why_failed(application("FAILED", SUBMISSION), None, []) == (
        'no driver was started: pods "x-driver" is forbidden: violates PodSecurity "restricted:latest"'
    )
    assert why_failed(application("FAILED"), None, [], ["0/1 nodes are available"]) == (
        "no driver was started: 0/1 nodes are available"
    )
    # The pod of a driver whose node was lost is gone: what it wrote last is all there is.
    assert why_failed(application("FAILED", "driver pod not found"), None, ["working"]) == "the driver failed: working"


def test_what_one_waits_for() -> None:
    assert waiting_for(application(""), None) == "for the Spark operator to take it up"
    assert waiting_for(application("SUBMITTED"), None) == "for the driver's pod"
    image = driver(phase="Pending", waiting={"reason": "ErrImagePull", "message": "no\nsuch image"})
    assert waiting_for(application("SUBMITTED"), image) == ("for the driver's container: ErrImagePull: no such image")
    unscheduled = driver(phase="Pending")
    unscheduled["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient cpu."}
    ]
    assert waiting_for(application("SUBMITTED"), unscheduled) == (
        "for a node for the driver: 0/1 nodes are available: 1 Insufficient cpu."
    )
    assert waiting_for(application("SUBMISSION_FAILED", SUBMISSION), None).startswith(
        'to be submitted again, since pods "x-driver" is forbidden'
    )
    assert waiting_for(application("RUNNING"), driver(running={"startedAt": "now"})) == "for the driver to end"


class Scripted(Cluster):
    """A cluster of which each look at the application finds the next of `looks`: (application, pod, log)."""

    def __init__(self, *looks: tuple[Resource | BaseException | None, Resource | None, str]) -> None:
        self.namespace = "shop"
        self.looks: Iterator[tuple[Resource | BaseException | None, Resource | None, str]] = iter(looks)
        self.since: list[int | None] = []
        self.deleted: list[str] = []
        self.created: list[Resource] = []
        self.running: list[Resource] = []
        self.asked: list[str] = []

    def resources(self, plural: str, labels: str = "") -> list[Resource]:
        self.asked.append(labels)
        return {SCHEDULES: [schedule()], APPLICATIONS: self.running}[plural]

    def create(self, application: Resource) -> Resource:
        self.created.append(application)
        return {**application, "metadata": {**application["metadata"], "name": "shop-train-recommender-abcde"}}

    def application(self, name: str) -> Resource | None:
        found, self._pod, self._log = next(self.looks)
        if isinstance(found, BaseException):
            raise found
        return found

    def pod(self, name: str) -> Resource | None:
        return self._pod

    def log(self, pod: str, container: str, since_seconds: int | None) -> str:
        assert container == "spark-kubernetes-driver"
        self.since.append(since_seconds)
        return self._log

    def warnings(self, name: str) -> list[str]:
        return [f"warning about {name}"]

    def delete(self, name: str) -> None:
        self.deleted.append(name)


def timed(*lines: str, start: int = 0) -> str:
    return "".join(f"2026-11-22T20:00:{start + n:02}.000000000Z {line}\n" for n, line in enumerate(lines))


def followed(cluster: Scripted, seconds: float = 60) -> tuple[Any, list[str], list[str]]:
    written: list[str] = []
    told: list[str] = []
    run = follow(
        cluster, "shop-train-recommender-abcde", seconds=seconds, write=written.append, tell=told.append, poll_seconds=0
    )
    return run, written, told


def test_each_line_of_a_driver_is_given_once_and_those_of_its_successor_too() -> None:
    running: Any = {"running": {"startedAt": "now"}}
    ended: Any = {"terminated": {"exitCode": 0}}
    cluster = Scripted(
        (application(""), None, ""),
        (application("SUBMITTED"), driver(phase="Pending"), "not to be read"),
        (application("RUNNING"), driver(**running), timed("one", "two")),
        (application("RUNNING"), driver(**running), timed("two", "three", start=1)),
        (Unreachable("away"), None, ""),
        (application("PENDING_RERUN"), None, ""),
        (application("RUNNING"), driver("2", **running), timed("one again")),
        (application("COMPLETED"), driver("2", **ended), timed("one again", "done")),
    )
    run, written, told = followed(cluster)
    assert (run.state, run.reason) == ("COMPLETED", None)
    assert written == ["one", "two", "three", "one again", "done"]
    assert [since is None for since in cluster.since] == [True, False, True, False]
    assert told[:2] == [
        "NEW: waits for the Spark operator to take it up",
        "SUBMITTED: waits for the driver's container",
    ]
    assert "the API server does not answer" in told


def test_a_failure_is_told_from_the_drivers_last_lines() -> None:
    pod = driver(terminated={"exitCode": 1, "reason": "Error"})
    run, _, _ = followed(Scripted((application("FAILED", "exit 1"), pod, timed("error: no rows", "fix: load"))))
    assert (run.state, run.reason) == ("FAILED", "the driver ended with exit code 1: no rows")


def test_one_that_does_not_end_says_what_it_waits_for() -> None:
    cluster = Scripted((application("SUBMITTED"), None, ""))
    with pytest.raises(SaranError, match=r"not ended after -1 s: it waits warning about shop-.*-driver"):
        followed(cluster, seconds=-1)
    with pytest.raises(SaranError, match="was deleted while it ran"):
        followed(Scripted((None, None, "")))


def submit(cluster: Scripted, monkeypatch: pytest.MonkeyPatch, **options: Any) -> int:
    monkeypatch.setattr(submitting, "connect", lambda namespace: cluster)
    given: dict[str, Any] = {"parameters": [], "namespace": None, "release": None, "stay": True, "keep": False}
    return submitting.run_submit("train-recommender", **{**given, "seconds": 60, "as_json": False, **options})


def test_it_is_deleted_at_its_end_however_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    well = Scripted((application("COMPLETED"), None, ""))
    assert submit(well, monkeypatch, parameters=["rank=8"]) == 0
    assert well.created[0]["spec"]["arguments"][-2:] == ["--set", "rank=8"]
    badly = Scripted((application("FAILED", "x"), None, ""))
    assert submit(badly, monkeypatch) == 1
    gone = Scripted((KeyboardInterrupt(), None, ""))
    with pytest.raises(KeyboardInterrupt):
        submit(gone, monkeypatch)
    assert [one.deleted for one in (well, badly, gone)] == [["shop-train-recommender-abcde"]] * 3
    kept = Scripted((application("COMPLETED"), None, ""))
    assert submit(kept, monkeypatch, keep=True) == 0
    left = Scripted()
    assert submit(left, monkeypatch, stay=False) == 0
    assert kept.deleted == left.deleted == []


def test_a_job_that_runs_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Scripted((application("COMPLETED"), None, ""))
    cluster.running = [application("COMPLETED", name="old"), application("RUNNING", name="now")]
    with pytest.raises(SaranError, match="runs already as now,"):
        submit(cluster, monkeypatch)
    assert cluster.created == []
    assert (
        cluster.asked[-1]
        == selector(schedule())
        == ",".join(f"app.kubernetes.io/{name}" for name in ("name=saran", "instance=shop", "component=trainer"))
    )


def test_wrong_words_and_no_cluster(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "gone",
            "clusters": [{"name": "gone", "cluster": {"server": f"https://127.0.0.1:{closed.getsockname()[1]}"}}],
            "users": [{"name": "me", "user": {"token": "x"}}],
            "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "me"}}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        away = command(tmp_path / "config", "submit", "train-recommender")
    assert away.returncode == 1
    assert "does not answer" in away.stderr
    assert "fix: see that `kubectl cluster-info` answers" in away.stderr
    none = command(tmp_path / "absent", "submit", "train-recommender")
    assert none.returncode == 1
    assert none.stderr.splitlines() == [
        "error: no kubeconfig names a cluster, and this is no pod of one",
        "fix: set KUBECONFIG, or make a cluster with `make kind-up`",
    ]
    wrong = command(tmp_path / "absent", "submit", "train-recommender", "--set", "rank")
    assert wrong.returncode == 2
    assert "is not NAME=VALUE" in wrong.stderr


def command(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "saran.cli", *arguments],
        env={**os.environ, "KUBECONFIG": str(kubeconfig), "NO_COLOR": "1", "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
