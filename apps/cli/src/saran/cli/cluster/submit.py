"""`saran submit`: a release's job run once on its cluster."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from rich.markup import escape

from saran.cli.cluster.applications import COMPLETED, ENDED, application_of, job_name, pick, selector, state_of
from saran.cli.cluster.client import APPLICATIONS, SCHEDULES, Cluster, Resource, connect
from saran.cli.cluster.follow import Run, follow
from saran.cli.console import err, out, print_json
from saran.core.errors import SaranError

_OURS: Final = "app.kubernetes.io/part-of=saran"


def run_submit(
    job: str,
    *,
    parameters: Sequence[str],
    namespace: str | None,
    release: str | None,
    stay: bool,
    keep: bool,
    seconds: float,
    as_json: bool,
) -> int:
    """`saran submit`; its exit code. Raises SaranError when the job cannot be started or does not end in time."""
    cluster = connect(namespace)
    application = submit(cluster, job, parameters, release)
    name = application["metadata"]["name"]
    arguments = application["spec"].get("arguments", [])
    described = {"application": name, "namespace": cluster.namespace, "job": job, "arguments": arguments}
    err.print(f"created SparkApplication [bold]{name}[/bold] in {cluster.namespace} {escape(shlex.join(arguments))}")
    if not stay:
        err.print(f"look with: kubectl -n {cluster.namespace} get sparkapplication {name}")
        if as_json:
            print_json({**described, "state": state_of(application), "seconds": None, "reason": None})
        return 0
    run = _follow(cluster, name, seconds=seconds, keep=keep, as_json=as_json)
    if as_json:
        print_json({**described, "state": run.state, "seconds": round(run.seconds, 1), "reason": run.reason})
    if run.state == COMPLETED:
        err.print(f"[green]✓[/green] {name} completed in {run.seconds:.0f} s")
        return 0
    err.print(f"[bold red]error:[/bold red] {name} failed: {escape(run.reason or '')}")
    return 1


def submit(cluster: Cluster, job: str, parameters: Sequence[str], release: str | None) -> Resource:
    """Create the SparkApplication of a job. Raises SaranError when another run of it has not ended."""
    schedule = pick(cluster.resources(SCHEDULES, _OURS), job, release, cluster.namespace)
    running = [
        one["metadata"]["name"]
        for one in cluster.resources(APPLICATIONS, selector(schedule))
        if state_of(one) not in ENDED
    ]
    if running:
        raise SaranError(
            f"{job_name(schedule)} runs already as {', '.join(running)}, and what it writes has one writer",
            fix=f"wait for its end, or `kubectl -n {cluster.namespace} delete sparkapplication {running[0]}`",
        )
    return cluster.create(application_of(schedule, parameters))


def _follow(cluster: Cluster, name: str, *, seconds: float, keep: bool, as_json: bool) -> Run:
    """Follow to the end, and delete it however that comes about, unless it is to be kept."""
    lines = err if as_json else out
    try:
        return follow(
            cluster,
            name,
            seconds=seconds,
            write=lambda line: lines.print(line, markup=False),
            tell=lambda words: err.print(f"[dim]{name} {escape(words)}[/dim]"),
        )
    finally:
        if not keep:
            cluster.delete(name)
            err.print(f"[dim]deleted {name}; --keep keeps it[/dim]")
