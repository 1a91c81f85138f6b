"""`make purge`: an installation with its data, in the order in which the operators can finish each step."""

from __future__ import annotations

import os
import sys

from scripts.cluster.tools import Failed, Kubectl, run, say, wait_for

STEPS = [
    (("scheduledsparkapplications", "sparkapplications"), "the Spark operator"),
    (("kafkatopics", "kafkausers"), "Strimzi's entity operator"),
    (("kafkas", "kafkanodepools"), "Strimzi's cluster operator"),
    (("tenants.minio.min.io",), "MinIO's operator"),
    (("persistentvolumeclaims",), "the pods that use them"),
    (("secrets",), "nothing"),
]
"""What is deleted together, and who lets go of it. Topics and users go before Kafka: their operator is a part of it."""

_SECONDS = 300
_OURS = "app.kubernetes.io/part-of=saran"


def purge(kubectl: Kubectl) -> int:
    """Delete the installation in NAMESPACE. Asks, unless YES=1. Raises Failed."""
    namespace = os.environ.get("NAMESPACE") or "shop"
    release = os.environ.get("RELEASE") or namespace
    if not kubectl.items("namespaces", f"--field-selector=metadata.name={namespace}"):
        say(f"there is no namespace {namespace}")
        return 0
    if not is_ours(kubectl, namespace):
        raise Failed(f"nothing in {namespace} is Saran's: name the installation's namespace by NAMESPACE=")
    if not agreed(kubectl, namespace):
        say("nothing was deleted")
        return 1
    where = ["--kube-context", kubectl.context] if kubectl.context else []
    say(f"uninstalling {release}")
    run(
        ["helm", "uninstall", release, "-n", namespace, *where, "--ignore-not-found", "--wait", "--timeout", "5m"],
        seconds=360,
    )
    for kinds, owner in STEPS:
        delete(kubectl, namespace, list(kinds), owner)
    say(f"deleting the namespace {namespace}")
    kubectl("delete", "namespace", namespace, "--timeout=300s", seconds=330)
    return 0


def is_ours(kubectl: Kubectl, namespace: str) -> bool:
    """Whether something of an installation is there, if only what `helm uninstall` leaves."""
    kinds = ["deployments", "kafkas", "tenants.minio.min.io", "secrets", "sparkapplications"]
    return any(kubectl.items(kind, "-n", namespace, "-l", _OURS) for kind in kinds)


def agreed(kubectl: Kubectl, namespace: str) -> bool:
    if os.environ.get("YES") == "1":
        return True
    where = kubectl("config", "current-context").strip() if not kubectl.context else kubectl.context
    say(f"This deletes the namespace {namespace} of {where}: every event, table, model, volume and Secret in it.")
    if not sys.stdin.isatty():
        raise Failed("nobody can be asked here: YES=1 says that it is meant")
    return input(f"Type {namespace} to go on: ").strip() == namespace


def delete(kubectl: Kubectl, namespace: str, kinds: list[str], owner: str) -> None:
    """Delete all of some kinds, and wait until they are gone."""
    there = [kind for kind in kinds if kubectl.items(kind, "-n", namespace)]
    if not there:
        return
    say(f"deleting {', '.join(there)}")
    kubectl("delete", ",".join(there), "--all", "-n", namespace, "--wait=false", seconds=120)

    def left() -> str | None:
        names = [
            f"{one['kind']} {one['metadata']['name']}" for kind in there for one in kubectl.items(kind, "-n", namespace)
        ]
        return f"{', '.join(names[:5])} still there" if names else None

    wait_for(f"{', '.join(there)} to be gone", left, seconds=_SECONDS, fix=f"{owner} must run to let go of them.")
