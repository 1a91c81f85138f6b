"""SparkApplications as data: how one is made from the release's own template, how far one is, and why one failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from saran.cli.cluster.client import GROUP, VERSION, Resource
from saran.core.errors import SaranError

COMPLETED: Final = "COMPLETED"
ENDED: Final = (COMPLETED, "FAILED")
KEPT_SECONDS: Final = 24 * 3600
"""After its end the operator deletes an application that nobody has deleted."""

DRIVER: Final = "spark-kubernetes-driver"
INSTANCE: Final = "app.kubernetes.io/instance"
_PART_LABELS: Final = ("app.kubernetes.io/name", INSTANCE, "app.kubernetes.io/component")
_HELMS: Final = ("app.kubernetes.io/managed-by", "helm.sh/chart")
_LONGEST: Final = 400
_RAISED: Final = re.compile(r"(?:^|[\s:])((?:[A-Za-z_][\w$]*\.)*[A-Z][\w$]*(?:Error|Exception)): +(\S.*)")
_REFUSAL: Final = re.compile(r"Message: (.+?)\.? (?:Received status|$)")
_PY4J: Final = "An error occurred while calling"


def job_name(schedule: Resource) -> str:
    """What a schedule of a release is called by people: its name without the release's."""
    metadata = schedule["metadata"]
    return str(metadata["name"]).removeprefix(f"{metadata.get('labels', {}).get(INSTANCE, '')}-")


def pick(schedules: Sequence[Resource], job: str, release: str | None, namespace: str) -> Resource:
    """The schedule of a job. Raises SaranError, naming what there is, when there is none or more than one."""
    named = [one for one in schedules if job in {job_name(one), one["metadata"]["name"]}]
    found = [one for one in named if release is None or one["metadata"].get("labels", {}).get(INSTANCE) == release]
    if len(found) == 1:
        return found[0]
    if found:
        releases = ", ".join(sorted(one["metadata"].get("labels", {}).get(INSTANCE, "") for one in found))
        raise SaranError(f"{job} is a job of several releases in {namespace}: {releases}", fix="name one by --release")
    whose = f"release {release} in {namespace}" if release else f"namespace {namespace}"
    known = ", ".join(sorted({job_name(one) for one in schedules}))
    if known:
        raise SaranError(f"there is no job {job} of {whose}", fix=f"choose from {known}")
    raise SaranError(
        f"no release in {namespace} has jobs",
        fix="give the release's namespace by --namespace; `helm list -A` lists releases",
    )


def selector(schedule: Resource) -> str:
    """Labels that all runs of a schedule's job have, whoever started them."""
    labels = schedule["metadata"].get("labels", {})
    return ",".join(f"{name}={labels[name]}" for name in _PART_LABELS if name in labels)


def application_of(schedule: Resource, parameters: Sequence[str] = ()) -> Resource:
    """A SparkApplication that runs a schedule's job once. `parameters` are NAME=VALUE, for the job's own --set."""
    template = schedule["spec"]["template"]
    labels = {name: value for name, value in schedule["metadata"].get("labels", {}).items() if name not in _HELMS}
    spec = {"timeToLiveSeconds": KEPT_SECONDS, **template}
    if parameters:
        sets = [word for parameter in parameters for word in ("--set", parameter)]
        spec["arguments"] = [*template.get("arguments", []), *sets]
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "SparkApplication",
        "metadata": {"generateName": f"{schedule['metadata']['name']}-", "labels": labels},
        "spec": spec,
    }


def state_of(application: Resource) -> str:
    """The operator's word for how far it is; empty before it has looked at it."""
    return str(application.get("status", {}).get("applicationState", {}).get("state", ""))


def driver_of(application: Resource) -> str:
    """Name of the driver's pod, which is known before it is there."""
    told = application.get("status", {}).get("driverInfo", {}).get("podName")
    return str(told or f"{application['metadata']['name']}-driver")


def container_of(pod: Resource) -> Resource:
    """Status of a driver's container; empty before there is one."""
    statuses: list[Resource] = pod.get("status", {}).get("containerStatuses") or []
    return next((one for one in statuses if one["name"] == DRIVER), statuses[0] if statuses else {})


def waiting_for(application: Resource, pod: Resource | None, warnings: Sequence[str] = ()) -> str:
    """In a few words, what an application that has not ended waits for. `warnings` are messages of events about it."""
    state = state_of(application)
    message = str(application.get("status", {}).get("applicationState", {}).get("errorMessage", ""))
    last = one_line(warnings[-1]) if warnings else ""
    if not state:
        return last or "for the Spark operator to take it up"
    if state == "SUBMISSION_FAILED":
        return f"to be submitted again, since {telling([message])}"
    if state in {"PENDING_RERUN", "FAILING"}:
        return f"to be run again, since {one_line(message) or 'the driver failed'}"
    return (last or "for the driver's pod") if pod is None else _pod_waits_for(pod, last)


def _pod_waits_for(pod: Resource, last: str) -> str:
    status = pod.get("status", {})
    waiting = container_of(pod).get("state", {}).get("waiting", {})
    if waiting.get("reason") not in {None, "ContainerCreating"}:
        return one_line(f"for the driver's container: {waiting['reason']}: {waiting.get('message') or last}")
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return one_line(f"for a node for the driver: {condition.get('message') or last}")
    if status.get("phase") == "Pending":
        return f"for the driver's container{': ' + last if last else ''}"
    return "for the driver to end"


def why_failed(application: Resource, pod: Resource | None, log: Iterable[str], warnings: Sequence[str] = ()) -> str:
    """One line that says why an application failed.

    `log` are the last lines of the driver, `warnings` messages of events about the application and its driver.
    """
    message = str(application.get("status", {}).get("applicationState", {}).get("errorMessage", ""))
    ended = container_of(pod or {}).get("state", {}).get("terminated") or {}
    if ended.get("reason") == "OOMKilled":
        limit = _memory_limit(pod or {})
        return (
            f"the driver was killed for want of memory{f' (it may have {limit})' if limit else ''}: "
            "raise driver.memoryOverhead, which is Python's, or driver.memory, which is Java's"
        )
    lines = [line for line in log if line.strip()]
    if not ended and not lines:
        said = telling(message.splitlines()) or (one_line(warnings[-1]) if warnings else "")
        return f"no driver was started: {said}" if said else "no driver was started, and the operator does not say why"
    code = ended.get("exitCode")
    how = f"the driver ended with exit code {code}" if code else "the driver failed"
    said = telling(lines) or one_line(ended.get("message") or message)
    return f"{how}: {said}" if said else how


def telling(lines: Sequence[str]) -> str:
    """Of a program's last words the line that says what went wrong; the last one when none does."""
    kept = [line.strip() for text in lines for line in text.splitlines() if line.strip()]
    for number in range(len(kept) - 1, -1, -1):
        line = kept[number]
        if refusal := _REFUSAL.search(line):
            return one_line(refusal[1])
        if line.startswith("error: "):
            return one_line(line.removeprefix("error: "))
        if raised := _RAISED.search(line):
            below = kept[number + 1] if number + 1 < len(kept) else ""
            if raised[2].startswith(_PY4J) and (cause := _RAISED.search(below)):
                raised = cause
            return one_line(f"{raised[1].rsplit('.', 1)[-1]}: {raised[2]}")
    return one_line(kept[-1]) if kept else ""


def one_line(text: str) -> str:
    """Without line breaks, and not too long."""
    joined = " ".join(text.split())
    return joined if len(joined) <= _LONGEST else joined[: _LONGEST - 2] + " …"


def _memory_limit(pod: Resource) -> str:
    containers = pod.get("spec", {}).get("containers", [])
    driver: Resource = next((one for one in containers if one["name"] == DRIVER), {})
    return str(driver.get("resources", {}).get("limits", {}).get("memory", ""))
