"""Processes that can be found again, and stopped whole, by another process than the one that started them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

MARKER: Final = "SARAN_PART"
"""Environment variable of every supervised process: `<part>@<home>`."""

_CLOCK_TOLERANCE: Final = 1.0
"""Seconds by which two readings of one process's start may differ: Linux derives it from a boot time that clock
adjustment moves. No pid is given out twice within that time."""

_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True)
class Identity:
    """A process beyond doubt: a pid alone may have been given to another process since."""

    pid: int
    create_time: float

    @classmethod
    def of(cls, pid: int) -> Identity:
        """Raises psutil.NoSuchProcess when there is none."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process, or None when it has ended (or its pid belongs to another one now)."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.create_time) <= _CLOCK_TOLERANCE
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None

    @property
    def alive(self) -> bool:
        return self.process() is not None


def group(leader: Identity, marker: str) -> list[psutil.Process]:
    """The living processes of the group that `leader` was started to lead.

    While the leader lives the group is its own. When it has ended, only processes count that carry `marker`,
    so that a stranger's group with a reused number is never taken for it.
    """
    leader_lives = leader.alive
    members = []
    for pid in psutil.pids():
        try:
            if os.getpgid(pid) != leader.pid:
                continue
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if leader_lives or process.environ().get(MARKER) == marker:
                members.append(process)
        except (psutil.Error, OSError):
            continue  # it ended while being looked at, or belongs to another user and so is not ours
    return members


def marked(home: Path) -> list[tuple[str, Identity]]:
    """Leaders among the living processes that carry a marker of `home`, with the part's name."""
    found = []
    for process in psutil.process_iter():
        try:
            part, separator, of_home = process.environ().get(MARKER, "").partition("@")
            if separator and of_home == str(home) and os.getpgid(process.pid) == process.pid:
                found.append((part, Identity(process.pid, process.create_time())))
        except (psutil.Error, OSError):
            continue  # it ended while being looked at, or belongs to another user and so is not ours
    return found


def stop(leader: Identity, marker: str, *, stop_signal: signal.Signals, patience: float) -> bool:
    """End a group: `stop_signal` to the leader, SIGTERM to what it leaves, SIGKILL to what stays.

    `patience` is seconds for each of the two polite steps. True when nothing had to be killed.
    """
    process = leader.process()
    # Members are listed before the leader goes: some cannot be told from strangers without it.
    members = group(leader, marker)
    if process is not None:
        with contextlib.suppress(psutil.Error):
            process.send_signal(stop_signal)
        _wait([process], patience)
    rest = [member for member in members if _lives(member) and member.pid != leader.pid]
    for member in rest:
        with contextlib.suppress(psutil.Error):
            member.terminate()
    _wait(rest, min(patience, 3.0))
    stubborn = [member for member in {*members, *group(leader, marker)} if _lives(member)]
    for member in stubborn:
        with contextlib.suppress(psutil.Error):
            member.kill()
    _wait(stubborn, patience)
    return not stubborn


def resident_bytes(leader: Identity, marker: str) -> int:
    """Memory that the whole group holds."""
    total = 0
    for member in group(leader, marker):
        with contextlib.suppress(psutil.Error):
            total += member.memory_info().rss
    return total


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _wait(processes: list[psutil.Process], seconds: float) -> None:
    # psutil.wait_procs would wait for zombies for ever where their parent reaps late or never.
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(_lives(process) for process in processes):
        time.sleep(_POLL_SECONDS)
