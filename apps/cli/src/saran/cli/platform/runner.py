"""Keeps one part running: start, readiness, restart with backoff, giving up, stop."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from saran.cli.platform import process
from saran.cli.platform.part import Part
from saran.cli.platform.ports import require_free
from saran.cli.platform.process import MARKER, Identity
from saran.cli.platform.state import PartState, Phase, marker

PROBE_SECONDS: Final = 0.1
CHECK_SECONDS: Final = 5.0
"""Time between two checks of a part that is ready."""
SILENT_AFTER: Final = 3
"""Failed checks in a row after which a part counts as not answering."""
CRASHES: Final = 5
CRASH_WINDOW: Final = 60.0
"""A part that ends CRASHES times within so many seconds is given up."""
FIRST_BACKOFF: Final = 0.25
LONGEST_BACKOFF: Final = 10.0
LOG_BYTES: Final = 20 * 2**20
"""A part's log is moved aside at its start when it has grown beyond this."""
TAIL_LINES: Final = 8

_log = logging.getLogger(__name__)


class Runner:
    """Runs one part in a thread of its own. `state` is changed only here; `changed` is called after each change."""

    def __init__(self, part: Part, home: Path, *, ready: Callable[[str], bool], changed: Callable[[], None]) -> None:
        self.part = part
        self.state = PartState(
            ports=dict(part.ports),
            log=str(home / "logs" / f"{part.name}.log"),
            stop_signal=part.stop_signal,
            stop_seconds=part.stop_seconds,
        )
        self._marker = marker(home, part.name)
        self._ready = ready
        self._changed = changed
        self._stop = threading.Event()
        self._crashes: deque[float] = deque(maxlen=CRASHES)
        self._thread = threading.Thread(target=self._run, name=part.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask the part to end; `join` waits for it."""
        self._stop.set()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        backoff = FIRST_BACKOFF
        while not self._stop.is_set():
            started = time.monotonic()
            reason = self._live()
            if self._stop.is_set():
                break
            if time.monotonic() - started > CRASH_WINDOW:
                backoff = FIRST_BACKOFF
            self._crashes.append(time.monotonic())
            tail = _tail(Path(self.state.log))
            _log.error("%s %s\n%s", self.part.name, reason, tail)
            error = f"{reason}\n{tail}".strip()
            if len(self._crashes) == CRASHES and self._crashes[-1] - self._crashes[0] <= CRASH_WINDOW:
                self._set(
                    Phase.FAILED,
                    last_exit=reason,
                    error=f"ended {CRASHES} times within {CRASH_WINDOW:.0f} s, given up: {error}",
                )
                return
            self._set(Phase.RESTARTING, restarts=self.state.restarts + 1, last_exit=reason, error=error)
            self._stop.wait(backoff)
            backoff = min(2 * backoff, LONGEST_BACKOFF)
        self._set(Phase.STOPPED)

    def _live(self) -> str:
        """One life of the part, from waiting for what it needs to its end; says how it ended."""
        if any(not self._ready(name) for name in self.part.needs):
            self._set(Phase.WAITING)
        while not all(self._ready(name) for name in self.part.needs):
            if self._stop.wait(PROBE_SECONDS / 2):
                return "stopped"
        started = time.time()
        self._set(Phase.STARTING, started_at=started, ready_seconds=None)
        try:
            require_free(self.part.ports)
            self.part.prepare()
            child = self._spawn()
        except Exception as error:  # noqa: BLE001 - whatever keeps a part from starting is shown as its error
            return f"cannot start: {error}"
        try:
            leader = Identity.of(child.pid)
        except psutil.NoSuchProcess:
            return _ended(child.wait())
        self._set(self.state.phase, pid=leader.pid, create_time=leader.create_time)
        failure = self._become_ready(child, started) or self._watch(child, started)
        if self._stop.is_set():
            self._set(Phase.STOPPING)
        process.stop(leader, self._marker, stop_signal=self.part.stop_signal, patience=self.part.stop_seconds)
        child.wait()
        self._set(self.state.phase, pid=None, create_time=None)
        return failure

    def _spawn(self) -> subprocess.Popen[bytes]:
        log = Path(self.state.log)
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            return subprocess.Popen(
                self.part.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.part.environment, MARKER: self._marker},
                start_new_session=True,
                # Another user may not be allowed to be where we are.
                cwd=None if self.part.user is None else "/",
                user=self.part.user,
                group=None if self.part.user is None else _group_of(self.part.user),
                extra_groups=None if self.part.user is None else [],
            )

    def _become_ready(self, child: subprocess.Popen[bytes], started: float) -> str | None:
        """Wait until the part is ready; None then, else why it will not be."""
        deadline = time.monotonic() + self.part.start_seconds
        while True:
            if self._stop.is_set():
                return "stopped"
            if (code := child.poll()) is not None:
                return _ended(code)
            reason = self.part.probe(started) or self._set_up()
            if reason is None:
                break
            if time.monotonic() > deadline:
                return f"was not ready after {self.part.start_seconds:.0f} s: {reason}"
            self._stop.wait(PROBE_SECONDS)
        self._set(Phase.READY, ready_seconds=round(time.time() - started, 3), error=None)
        _log.info("%s is ready after %.1f s", self.part.name, self.state.ready_seconds or 0)
        return None

    def _set_up(self) -> str | None:
        """Run `after_ready`; what keeps it from its work may pass, so it is tried again like the probe."""
        try:
            self.part.after_ready()
        except Exception as error:  # noqa: BLE001 - shown as the part's error
            reason = f"runs, but cannot be set up: {error}"
            if reason != self.state.error:
                _log.warning("%s %s", self.part.name, reason)
                self._set(self.state.phase, error=reason)
            return reason
        return None

    def _watch(self, child: subprocess.Popen[bytes], started: float) -> str:
        """Wait for the part's end, checking now and then that it answers."""
        failures = 0
        next_check = time.monotonic() + CHECK_SECONDS
        while not self._stop.wait(PROBE_SECONDS):
            if (code := child.poll()) is not None:
                return _ended(code)
            if time.monotonic() < next_check:
                continue
            next_check = time.monotonic() + CHECK_SECONDS
            reason = self.part.probe(started)
            failures = 0 if reason is None else failures + 1
            if reason is None and self.state.phase is Phase.SILENT:
                self._set(Phase.READY, error=None)
            elif failures == SILENT_AFTER:
                _log.warning("%s does not answer: %s", self.part.name, reason)
                self._set(Phase.SILENT, error=reason)
        return "stopped"

    def _set(self, phase: Phase, **changes: object) -> None:
        self.state = self.state.model_copy(update={"phase": phase, **changes})
        self._changed()


def _ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _group_of(user: int) -> int:
    import pwd

    return pwd.getpwuid(user).pw_gid


def _tail(log: Path, lines: int = TAIL_LINES) -> str:
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 8192))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
