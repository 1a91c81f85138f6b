"""What the supervisor records in `home/run`, for `status`, `down` and the next supervisor."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final, TextIO

from pydantic import BaseModel, Field, ValidationError

from saran.cli.platform.process import Identity

RUN_FOLDER: Final = "run"


class Phase(StrEnum):
    """Where a part is between being asked for and being gone."""

    WAITING = "waiting"  # for the parts it needs
    STARTING = "starting"
    READY = "ready"
    SILENT = "not answering"  # runs, was ready, and no longer passes its check
    RESTARTING = "restarting"
    FAILED = "failed"  # given up
    STOPPING = "stopping"
    STOPPED = "stopped"


class PartState(BaseModel):
    """One part. Times are seconds since 1970."""

    phase: Phase = Phase.WAITING
    pid: int | None = None
    create_time: float | None = None
    ports: dict[str, int] = Field(default_factory=dict)
    restarts: int = 0
    started_at: float | None = None
    ready_seconds: float | None = Field(default=None, description="From its start to ready")
    last_exit: str | None = Field(default=None, description="How its previous process ended")
    error: str | None = None
    log: str = ""
    stop_signal: int = 15
    stop_seconds: float = 10.0

    @property
    def identity(self) -> Identity | None:
        if self.pid is None or self.create_time is None:
            return None
        return Identity(self.pid, self.create_time)


class PlatformState(BaseModel):
    """The whole platform."""

    supervisor_pid: int
    supervisor_create_time: float
    started_at: float
    port_offset: int = 0
    parts: dict[str, PartState] = Field(default_factory=dict)

    @property
    def supervisor(self) -> Identity:
        return Identity(self.supervisor_pid, self.supervisor_create_time)


def marker(home: Path, part: str) -> str:
    """Value of `MARKER` in the environment of a part's processes."""
    return f"{part}@{home}"


def read_state(home: Path) -> PlatformState | None:
    """The recorded state; None when there is none, or a full disk left one that cannot be read."""
    try:
        return PlatformState.model_validate_json((home / RUN_FOLDER / "state.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_state(home: Path, state: PlatformState) -> None:
    """Replace the recorded state in one step."""
    _replace(home / RUN_FOLDER / "state.json", state.model_dump_json(indent=1))


def read_wanted(home: Path) -> list[str]:
    """Names of the parts that should run."""
    try:
        return [str(name) for name in json.loads((home / RUN_FOLDER / "wanted.json").read_text())]
    except (FileNotFoundError, ValueError):
        return []


def write_wanted(home: Path, names: Iterable[str]) -> None:
    """Say which parts should run; the supervisor reads it when it starts and at SIGUSR1."""
    _replace(home / RUN_FOLDER / "wanted.json", json.dumps(list(names)))


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


class HomeLock:
    """Held by the supervisor of a home for as long as it lives; the kernel frees it however that ends."""

    def __init__(self, home: Path) -> None:
        self._path = home / RUN_FOLDER / "lock"
        self._file: TextIO | None = None

    def acquire(self) -> bool:
        """True when it is ours now."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def held_by_another(self) -> bool:
        """Whether a supervisor runs in this home."""
        if not self._path.exists():
            return False
        if self.acquire():
            self.release()
            return False
        return True
