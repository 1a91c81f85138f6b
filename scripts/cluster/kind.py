"""A kind cluster with the operators and the images: each step can be repeated and does only what is missing."""

from __future__ import annotations

import os
import tarfile
import time
from pathlib import Path
from typing import IO, cast

from scripts.cluster.check import check, config_path, host_ports, images_absent
from scripts.cluster.tools import ROOT, Failed, Kubectl, run, say, wait_for
from scripts.preflight import Report

OPERATORS = ROOT / "charts" / "saran-operators"
NAMESPACE = "saran-operators"
IMAGES = ["api", "dashboard", "mlflow", "producer", "spark"]
_READY_SECONDS = 600


class Plan:
    """What the variables of the command ask for.

    KIND_CLUSTER, KIND_CONFIG; OPERATORS=no leaves them all out, WITHOUT="traefik …" some; IMAGES=no leaves building and
    loading out; BASE_IMAGE is another Python for the images; VERSION their tag.
    """

    def __init__(self, version: str) -> None:
        self.cluster = os.environ.get("KIND_CLUSTER") or "saran"
        self.operators = os.environ.get("OPERATORS") != "no"
        self.without = (os.environ.get("WITHOUT") or "").split()
        self.images = [] if os.environ.get("IMAGES") == "no" else IMAGES
        self.version = version
        self.kubectl = Kubectl(f"kind-{self.cluster}")

    def exists(self) -> bool:
        return self.cluster in run(["kind", "get", "clusters"], seconds=60, quiet=True).split()


def preflight(plan: Plan) -> int:
    """Print what is there and what is missing; 1 when something must be put right first."""
    report = Report()
    try:
        there = plan.exists()
    except Failed:
        there = False  # The check of the program says what is wrong with it.
    check(
        report,
        cluster=plan.cluster,
        operators=plan.operators,
        images=images_absent(plan.images, plan.version),
        ports=[] if there else host_ports(config_path()),
    )
    return report.finish()


def up(plan: Plan) -> int:
    """`make kind-up`. Raises Failed."""
    say("preflight")
    if preflight(plan):
        return 1
    began = time.monotonic()
    make_cluster(plan)
    if plan.operators:
        install_operators(plan)
    if plan.images:
        load_images(plan)
    say(f"\nthe cluster {plan.cluster} is ready after {time.monotonic() - began:.0f} s. Next:\n")
    say("  kubectl apply -f k8s/namespace.yaml")
    say("  helm install shop charts/saran -n shop -f charts/saran/examples/retailrocket.yaml")
    return 0


def down(plan: Plan) -> int:
    """`make kind-down`: the cluster with all that is in it, and nothing else. Raises Failed."""
    if not plan.exists():
        say(f"there is no kind cluster {plan.cluster}")
        return 0
    say(f"deleting the kind cluster {plan.cluster}")
    run(["kind", "delete", "cluster", "--name", plan.cluster], seconds=300)
    return 0


def make_cluster(plan: Plan) -> None:
    """The cluster itself, and its context in the kubeconfig."""
    if plan.exists():
        say(f"the kind cluster {plan.cluster} is there already")
        run(["kind", "export", "kubeconfig", "--name", plan.cluster], seconds=60, quiet=True)
    else:
        say(f"making the kind cluster {plan.cluster} (a minute, and the fetching of its node's image)")
        create = ["kind", "create", "cluster", "--name", plan.cluster, "--config", str(config_path())]
        run([*create, "--wait", "300s"], seconds=1800)
    wait_for(
        "the nodes to be Ready",
        lambda: not_ready(plan.kubectl, "nodes", "Ready"),
        seconds=300,
        fix=f"`kubectl --context {plan.kubectl.context} describe nodes` says why.",
    )


def install_operators(plan: Plan) -> None:
    """CRDs first, so that an upgrade has them too: Helm neither upgrades nor deletes them."""
    if list((OPERATORS / "charts").glob("*.tgz")):
        say("the operators' charts are there already")
    else:
        say("fetching the operators' charts")
        run(["helm", "dependency", "update", str(OPERATORS)], seconds=600)
    for chart in sorted((OPERATORS / "charts").glob("*.tgz")):
        if not any(chart.name.startswith(f"{chart_of(name)}-") for name in plan.without):
            apply_definitions(plan.kubectl, chart)
    say(f"installing the operators into {NAMESPACE}; waiting for their Deployments (up to {_READY_SECONDS} s)")
    left_out = [part for name in plan.without for part in ("--set", f"{name}.enabled=false")]
    install = ["helm", "upgrade", "--install", "operators", str(OPERATORS), "--kube-context", plan.kubectl.context]
    options = ["-n", NAMESPACE, "--create-namespace", "--skip-crds", "--wait", "--timeout", f"{_READY_SECONDS}s"]
    run([*install, *options, *left_out], seconds=_READY_SECONDS + 60)
    wait_for(
        "the operators' definitions to be Established",
        lambda: not_ready(plan.kubectl, "customresourcedefinitions", "Established"),
        seconds=120,
        fix="`kubectl get crd` shows them.",
    )
    if "spark-operator" not in plan.without:
        wait_for(
            "the Spark operator's webhook to answer",
            lambda: unanswered(plan.kubectl),
            seconds=180,
            fix=f"See `kubectl -n {NAMESPACE} logs deployment/spark-operator-webhook`.",
        )


def chart_of(name: str) -> str:
    """The chart's own name of a dependency."""
    return "operator" if name == "minio-operator" else name


def apply_definitions(kubectl: Kubectl, chart: Path) -> None:
    """The CRDs that a chart keeps apart from its templates, by server-side apply: some are too long for the other."""
    if text := definitions(chart):
        applied = kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=text, seconds=300).splitlines()
        say(f"  {chart.name}: {len(applied)} definitions")


def definitions(chart: Path) -> str:
    """The files of a packaged chart's folders `crds`, as YAML documents; empty when it has none.

    `helm show crds` prints them one after the other, and they need not begin with `---`: of ten the last would count.
    """
    with tarfile.open(chart) as archive:
        files = [each for each in archive if "/crds/" in each.name and each.isfile()]
        return "\n---\n".join(cast(IO[bytes], archive.extractfile(each)).read().decode() for each in files)


def not_ready(kubectl: Kubectl, kind: str, condition: str) -> str | None:
    """Names of those that lack a condition; None when all have it."""
    names = []
    for one in kubectl.items(kind):
        held = {each["type"]: each["status"] for each in one.get("status", {}).get("conditions", [])}
        if held.get(condition) != "True":
            names.append(one["metadata"]["name"])
    return f"{', '.join(names)} not {condition}" if names else None


def unanswered(kubectl: Kubectl) -> str | None:
    """What the API server says when it asks the webhook about an application that is not made; None if it is well."""
    try:
        kubectl("create", "--dry-run=server", "-n", "default", "-f", str(ROOT / "k8s/spark/train-recommender.yaml"))
    except Failed as error:
        return str(error)[-300:]
    return None


def load_images(plan: Plan) -> None:
    """Build what has changed (Docker knows), and put it into the nodes."""
    say(f"building the images {', '.join(plan.images)}; the first time takes minutes")
    run(["make", "--no-print-directory", "images"], seconds=7200)
    names = [f"saran/{name}:{plan.version}" for name in plan.images]
    say(f"loading {', '.join(names)} into {plan.cluster}")
    run(["kind", "load", "docker-image", "--name", plan.cluster, *names], seconds=1800)
