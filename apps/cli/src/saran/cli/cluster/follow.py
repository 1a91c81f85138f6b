"""Following a SparkApplication to its end: its states, and its driver's log as it is written."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from saran.cli.cluster.applications import (
    COMPLETED,
    ENDED,
    container_of,
    driver_of,
    state_of,
    waiting_for,
    why_failed,
)
from saran.cli.cluster.client import Cluster, Resource, Unreachable
from saran.core.errors import SaranError

_POLL_SECONDS: Final = 1.0
_SILENCE_SECONDS: Final = 60.0
"""So long the API server may be away while an application runs."""

_OVERLAP_SECONDS: Final = 5
_TAIL: Final = 300


@dataclass
class Run:
    """How an application ended. `reason` says why it failed; it is None when it did not."""

    state: str
    seconds: float
    reason: str | None = None


@dataclass
class DriverLog:
    """What a driver writes, line by line, also of one that was started again under the same name.

    The log is asked for again and again, not held open: so each call has its time-out, and nothing is lost when a
    connection is.
    """

    cluster: Cluster
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))
    trouble: str | None = None
    """Why the log could not be read the last time."""

    _pod: str = ""
    _newest: str = ""
    _read_at: float | None = None

    def new_lines(self, pod: Resource) -> list[str]:
        """Lines that were not given yet; none before the container has begun."""
        container = container_of(pod)
        if not {"running", "terminated"} & {name for name, held in container.get("state", {}).items() if held}:
            return []
        metadata = pod["metadata"]
        if metadata["uid"] != self._pod:
            self._pod, self._newest, self._read_at = metadata["uid"], "", None
            self.tail.clear()
        now = time.monotonic()
        since = None if self._read_at is None else int(now - self._read_at) + _OVERLAP_SECONDS
        try:
            text = self.cluster.log(metadata["name"], container["name"], since)
        except SaranError as error:
            self.trouble = error.message
            return []
        self._read_at, self.trouble = now, None
        # The kubelet's times have all nine digits: they sort as texts do.
        timed = [line.partition(" ") for line in text.split("\n") if line]
        fresh = [(at, words) for at, _, words in timed if at > self._newest]
        if fresh:
            self._newest = fresh[-1][0]
        lines = [words for _, words in fresh]
        self.tail.extend(lines)
        return lines


def follow(
    cluster: Cluster,
    name: str,
    *,
    seconds: float,
    write: Callable[[str], None],
    tell: Callable[[str], None],
    poll_seconds: float = _POLL_SECONDS,
) -> Run:
    """Wait for the end of an application. `write` gets the driver's lines, `tell` what is waited for when it changes.

    Raises SaranError when it has not ended after `seconds`, when somebody deletes it, and when the API server is away
    for a minute.
    """
    began = answered = time.monotonic()
    log = DriverLog(cluster)
    told = ""
    while True:
        try:
            application = cluster.application(name)
            if application is None:
                raise SaranError(f"{name} was deleted while it ran", fix="submit it again")
            pod = cluster.pod(driver_of(application))
            for line in log.new_lines(pod) if pod else ():
                write(line)
            spent = time.monotonic() - began
            state = state_of(application)
            if state in ENDED:
                if log.trouble:
                    tell(f"the driver's log could not be read: {log.trouble}")
                if state == COMPLETED:
                    return Run(state, spent)
                return Run(state, spent, why_failed(application, pod, log.tail, _warnings(cluster, application)))
            waits = f"{state or 'NEW'}: waits {waiting_for(application, pod)}"
            if spent > seconds:
                waits = waiting_for(application, pod, _warnings(cluster, application))
                raise SaranError(f"{name} has not ended after {seconds:.0f} s: it waits {waits}", fix="give --timeout")
            answered = time.monotonic()
        except Unreachable:
            if time.monotonic() - answered > _SILENCE_SECONDS:
                raise
            waits = "the API server does not answer"
        if waits != told:
            tell(waits)
            told = waits
        time.sleep(poll_seconds)


def _warnings(cluster: Cluster, application: Resource) -> list[str]:
    """Of the application and then of its driver, whose come later."""
    return [*cluster.warnings(application["metadata"]["name"]), *cluster.warnings(driver_of(application))]
