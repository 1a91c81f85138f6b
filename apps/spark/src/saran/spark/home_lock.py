"""One job of a kind a home at a time: two owners of one table would undo each other's work.

The lock is the operating system's, on a file of the home. A process that ends, however it ends, holds it no longer.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from saran.core.errors import SaranError
from saran.core.settings import Settings

STREAMS: Final = "streams"
"""Owner of bronze and silver."""

TRAINING: Final = "training"
"""Owner of the recommender's gold tables."""

CHAMPION: Final = "champion"
"""Who moves which version is served; held for a moment, so that a rollback need not wait for a training."""

REGISTRY: Final = "registry"
"""Who registers versions in MLflow."""

CHAMPION_PATIENCE: Final = 60.0
"""Seconds to wait for another command that moves the champion, and checks a version before."""

_PAUSE_SECONDS: Final = 0.1

_BUSY: Final = {
    STREAMS: ("the streams of this home already run", "stop them with `saran down`, or use another SARAN_HOME"),
    TRAINING: ("another training of this home runs", "wait until it ends, or stop that process, and train again"),
    CHAMPION: ("another command moves the champion", "run this again"),
    REGISTRY: ("another command registers versions right now", "`saran models sync` registers what that one does not"),
}


@contextmanager
def only_one(settings: Settings, job: str, *, patience: float = 0.0) -> Iterator[None]:
    """Be the one `job`, a constant of this module, of the home while inside.

    Raises SaranError naming the holder when another process, or another caller in this one, has the lock, and keeps it
    for the seconds of `patience`. For the
    streams it saves work only: what keeps a lost driver from committing is the tables' own transaction identifiers.
    """
    path = settings.home / "run" / f"{job}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() < deadline:
                    time.sleep(_PAUSE_SECONDS)
                    continue
                file.seek(0)
                holder = file.read().strip() or "another process"
                cause, fix = _BUSY[job]
                raise SaranError(f"{cause}: {holder} holds {path}", fix=fix) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
