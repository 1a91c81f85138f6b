"""The process that runs the parts of one home, until SIGTERM or SIGINT.

It owns its children: each is the leader of a session of its own, recorded by pid and start time, so that the
supervisor after one that was killed finds what is left and ends it before it starts anew.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Final

from saran.cli.platform import process
from saran.cli.platform.part import Part
from saran.cli.platform.process import Identity
from saran.cli.platform.runner import Runner
from saran.cli.platform.state import (
    HomeLock,
    PartState,
    Phase,
    PlatformState,
    marker,
    read_state,
    read_wanted,
    write_state,
)

ALREADY_RUNNING: Final = 3
"""Exit code of a supervisor that found another one in its home."""

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs the parts named in `wanted.json` of `home`; `parts` are all that could be wanted."""

    def __init__(self, home: Path, parts: Sequence[Part], *, port_offset: int = 0) -> None:
        self.home = home
        self._parts: Mapping[str, Part] = {part.name: part for part in parts}
        self._runners: dict[str, Runner] = {}
        self._lock = HomeLock(home)
        self._writing = threading.Lock()
        # A handler may run at any moment of the main thread: writing to a pipe is all it can safely do.
        self._wake_read, self._wake_write = os.pipe()
        self._stopping = False
        own = Identity.of(os.getpid())
        self._own = PlatformState(
            supervisor_pid=own.pid,
            supervisor_create_time=own.create_time,
            started_at=time.time(),
            port_offset=port_offset,
        )

    def run(self) -> int:
        """Run until told to stop; the process's exit code."""
        if not self._lock.acquire():
            return ALREADY_RUNNING
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_wake)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        stop_orphans(self.home)
        self._record()
        try:
            while not self._stopping:
                self._start_wanted()
                os.read(self._wake_read, 64)
        finally:
            self._stop_all()
            self._lock.release()
        return 0

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        os.write(self._wake_write, b"!")

    def _on_wake(self, number: int, frame: FrameType | None) -> None:
        os.write(self._wake_write, b"?")

    def _start_wanted(self) -> None:
        for name in read_wanted(self.home):
            if name not in self._parts:
                _log.error("%s is no part of the platform", name)
                continue
            current = self._runners.get(name)
            if current is not None and current.running:
                continue
            runner = Runner(self._parts[name], self.home, ready=self._is_ready, changed=self._record)
            self._runners[name] = runner
            runner.start()
        self._record()

    def _is_ready(self, name: str) -> bool:
        runner = self._runners.get(name)
        return runner is not None and runner.state.phase in (Phase.READY, Phase.SILENT)

    def _record(self) -> None:
        with self._writing:
            self._own.parts = {name: runner.state for name, runner in list(self._runners.items())}
            write_state(self.home, self._own)

    def _stop_all(self) -> None:
        """Stop users before what they use, and independent parts at once."""
        remaining = dict(self._runners)
        while remaining:
            used = {name for runner in remaining.values() for name in (*runner.part.needs, *runner.part.uses)}
            wave = [runner for name, runner in remaining.items() if name not in used] or list(remaining.values())
            for runner in wave:
                runner.stop()
            for runner in wave:
                runner.join()
                del remaining[runner.part.name]
        self._record()


def stop_orphans(home: Path) -> list[str]:
    """End what a supervisor that is gone left running in `home`; the names of the parts that were.

    The caller holds the home's lock, or knows that no supervisor runs.
    """
    state = read_state(home)
    recorded = state.parts if state else {}
    # A supervisor killed between starting a part and recording it leaves one that only its marker gives away.
    left: dict[str, set[Identity]] = {}
    for name, identity in process.marked(home):
        left.setdefault(name, set()).add(identity)
    for name, part in recorded.items():
        if part.identity is not None and process.group(part.identity, marker(home, name)):
            left.setdefault(name, set()).add(part.identity)

    def end(name: str, identity: Identity) -> None:
        part = recorded.get(name, PartState())
        _log.warning("%s (pid %s) was left by an earlier supervisor: it is stopped", name, identity.pid)
        process.stop(
            identity, marker(home, name), stop_signal=signal.Signals(part.stop_signal), patience=part.stop_seconds
        )

    orphans = [(name, identity) for name, identities in left.items() for identity in identities]
    if orphans:
        with ThreadPoolExecutor(len(orphans)) as pool:
            for done in [pool.submit(end, *orphan) for orphan in orphans]:
                done.result()
    return sorted(left)


def main() -> None:
    """Entry point of the supervisor process: `python -m saran.cli.platform.supervisor`."""
    from saran.cli.platform.catalog import platform_parts
    from saran.core.settings import load_settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = load_settings()
    supervisor = Supervisor(settings.home, platform_parts(settings), port_offset=settings.port_offset)
    sys.exit(supervisor.run())


if __name__ == "__main__":
    main()
