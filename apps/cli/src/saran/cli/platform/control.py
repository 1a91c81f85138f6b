"""Starts, stops and looks at a home's supervisor from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import psutil

from saran.cli.platform import process
from saran.cli.platform.part import Part
from saran.cli.platform.ports import require_free
from saran.cli.platform.state import HomeLock, PartState, Phase, PlatformState, marker, read_state, write_wanted
from saran.cli.platform.supervisor import ALREADY_RUNNING, stop_orphans
from saran.core.errors import SaranError

SUPERVISOR: Final = (sys.executable, "-m", "saran.cli.platform.supervisor")
_POLL_SECONDS: Final = 0.05
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 120.0
_MIB: Final = 2**20

Watcher = Callable[[PlatformState], None]
"""Called again and again with the state while something is waited for."""


def _ignore(state: PlatformState) -> None:
    return None


def supervisor_runs(home: Path) -> bool:
    return HomeLock(home).held_by_another()


def up(
    home: Path, parts: Sequence[Part], names: Sequence[str], *, command: Sequence[str] = SUPERVISOR
) -> tuple[str, ...]:
    """See that a supervisor runs in `home` and wants `names`; those of them that were not running before.

    Does not wait until they are ready: `wait_ready` does. Raises SaranError when a port is taken or memory short.
    """
    _settle(home)
    running = _running(home)
    absent = tuple(name for name in names if name not in running)
    if not absent:
        return ()
    alone = not supervisor_runs(home)
    if alone:
        stop_orphans(home)
    missing = [part for part in parts if part.name in absent]
    for part in missing:
        require_free(part.ports)
    require_memory(missing)
    write_wanted(home, [*running, *absent])
    if alone:
        _start_supervisor(home, command)
    _settle(home)
    state = read_state(home)
    if state is not None and (supervisor := state.supervisor.process()) is not None:
        with contextlib.suppress(psutil.Error):
            supervisor.send_signal(signal.SIGUSR1)
    return absent


def require_memory(parts: Sequence[Part]) -> None:
    """Raises SaranError when less memory is free than `parts` take."""
    needed = sum(part.memory_mb for part in parts)
    free = available_memory() // _MIB
    if free < needed:
        raise SaranError(
            f"{', '.join(part.name for part in parts)} take about {needed} MiB of memory, and {free} MiB are free",
            fix="close other programs, or start fewer parts with --only",
        )


def available_memory() -> int:
    """Bytes that can still be taken, by the machine's or the container's limit, whichever is nearer."""
    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):
        limit = int((group / "memory.max").read_text())
        free = min(free, limit - int((group / "memory.current").read_text()))
    return max(free, 0)


def wait_ready(home: Path, names: Sequence[str], *, seconds: float, watch: Watcher = _ignore) -> PlatformState:
    """Wait until all of `names` are ready; the state then.

    Raises SaranError when one is given up, when the supervisor ends, or when `seconds` have passed.
    """
    deadline = time.monotonic() + seconds
    while True:
        state = _current(home)
        if state is not None:
            watch(state)
            chosen = {name: state.parts.get(name, PartState()) for name in names}
            if all(part.phase is Phase.READY for part in chosen.values()):
                return state
            for name, part in chosen.items():
                if part.phase is Phase.FAILED:
                    raise SaranError(f"{name} does not start: {part.error}", fix=f"its log is {part.log}")
        if time.monotonic() > deadline:
            late = ", ".join(
                f"{name} ({part.phase}{': ' + part.error if part.error else ''})"
                for name, part in (chosen.items() if state else ())
                if part.phase is not Phase.READY
            )
            raise SaranError(
                f"not ready after {seconds:.0f} s: {late or 'the supervisor'}", fix=f"see the logs in {home / 'logs'}"
            )
        time.sleep(_POLL_SECONDS)


def down(home: Path, *, watch: Watcher = _ignore) -> list[str]:
    """Stop everything that runs in `home`; the names of the parts that ran. Nothing is left when it returns."""
    ran = _running(home)
    state = read_state(home)
    if supervisor_runs(home) and state is not None:
        _stop_supervisor(home, state, watch)
    return sorted({*ran, *stop_orphans(home)})


def memory(home: Path, name: str, part: PartState) -> int:
    """Bytes that a part's processes hold."""
    return process.resident_bytes(part.identity, marker(home, name)) if part.identity else 0


def _settle(home: Path) -> None:
    """Wait while the home's lock is held by a supervisor that is just starting, or whose end is not complete."""
    deadline = time.monotonic() + _START_SECONDS
    while supervisor_runs(home) and _current(home) is None:
        if time.monotonic() > deadline:
            raise SaranError(
                f"another process holds {home / 'run' / 'lock'}, and is no supervisor", fix="find it and end it"
            )
        time.sleep(_POLL_SECONDS)


def _running(home: Path) -> list[str]:
    """Parts that the living supervisor runs or is about to; those that it gave up are not among them."""
    state = _current(home)
    if state is None or not supervisor_runs(home):
        return []
    return [name for name, part in state.parts.items() if part.phase not in (Phase.FAILED, Phase.STOPPED)]


def _current(home: Path) -> PlatformState | None:
    """The state that the living supervisor wrote."""
    state = read_state(home)
    return state if state is not None and state.supervisor.alive else None


def _start_supervisor(home: Path, command: Sequence[str]) -> None:
    log = home / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SARAN_HOME": str(home)},
            start_new_session=True,
        )
    # It is meant to outlive us; while it does not, somebody has to take its exit code.
    threading.Thread(target=child.wait, daemon=True).start()
    deadline = time.monotonic() + _START_SECONDS
    while (state := _current(home)) is None or state.supervisor_pid != child.pid:
        code = child.poll()
        if code == ALREADY_RUNNING:
            return  # another `up` was quicker; its supervisor is told of ours
        if code is not None or time.monotonic() > deadline:
            raise SaranError(
                f"the supervisor {'ended with exit code ' + str(code) if code is not None else 'does not start'}",
                fix=f"its log is {log}",
            )
        time.sleep(_POLL_SECONDS)


def _stop_supervisor(home: Path, state: PlatformState, watch: Watcher) -> None:
    found = state.supervisor.process()
    if found is not None:
        with contextlib.suppress(psutil.Error):
            found.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    while supervisor_runs(home) or state.supervisor.alive:
        if (current := read_state(home)) is not None:
            watch(current)
        if time.monotonic() > deadline:
            if found is None:
                raise SaranError(f"another process holds {home / 'run' / 'lock'}", fix="find and end it")
            with contextlib.suppress(psutil.Error):
                found.kill()
            deadline = time.monotonic() + 10
        time.sleep(_POLL_SECONDS)
