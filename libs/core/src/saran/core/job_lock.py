"""One job of a kind at a time: two owners of one table would undo each other's work.

On a laptop the lock is the operating system's, on a file of the home. On a cluster each pod has a home of its own, so
there PostgreSQL keeps a lock besides, for as long as the holder is connected. A process that ends, however it ends,
holds neither any longer.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

import psycopg

from saran.core.errors import SaranError
from saran.core.settings import Settings

STREAMS: Final = "streams"
"""Owner of bronze and silver."""

TRAINING: Final = "training"
"""Owner of the recommender's gold tables."""

FEATURES: Final = "features"
"""Owner of the gold tables of users' features."""

CHAMPION: Final = "champion"
"""Who moves which version is served; held for a moment, so that a rollback need not wait for a training."""

REGISTRY: Final = "registry"
"""Who registers versions in MLflow."""

CHAMPION_PATIENCE: Final = 60.0
"""Seconds to wait for another command that moves the champion, and checks a version before."""

_PAUSE_SECONDS: Final = 0.1

_KEYS: Final = {TRAINING: 6_710_001, CHAMPION: 6_710_002, REGISTRY: 6_710_003, FEATURES: 6_710_004}
"""Keys of PostgreSQL's advisory locks. None for the streams: a driver that hangs would keep out its successor, and the
tables' own transaction identifiers keep out a hanging driver."""

_TRAINING_PATIENCE: Final = 4 * 3600.0
"""Seconds that a training of a cluster waits for the one before it: schedules may fall together."""

_SERVER_LOSES_AFTER: Final = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
"""So that a lost node's lock is free after a minute, not after two hours."""

_BUSY: Final = {
    STREAMS: ("the streams of this home already run", "stop them with `saran down`, or use another SARAN_HOME"),
    TRAINING: ("another training runs", "wait until it ends, or stop that process, and train again"),
    FEATURES: ("another job makes the features", "wait until it ends, and run this again"),
    CHAMPION: ("another command moves the champion", "run this again"),
    REGISTRY: ("another command registers versions right now", "`saran models sync` registers what that one does not"),
}

_HOLDER: Final = """
SELECT application_name FROM pg_locks AS locks JOIN pg_stat_activity AS activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objid = %s AND datname = current_database()
"""


@contextmanager
def only_one(settings: Settings, job: str, *, patience: float = 0.0) -> Iterator[None]:
    """Be the one `job`, a constant of this module, while inside: of the home, and on a cluster of the installation.

    Raises SaranError naming the holder when another process, or another caller in this one, has the lock, and keeps it
    for the seconds of `patience`; trainings of a cluster wait for each other for hours. For the streams it saves work
    only: what keeps a lost driver from committing is the tables' own transaction identifiers.
    """
    shared = settings.mode == "cluster" and job in _KEYS
    if shared and job == TRAINING:
        patience = _TRAINING_PATIENCE
    everywhere = _of_the_installation(settings, job, patience) if shared else nullcontext()
    with _of_the_home(settings, job, patience), everywhere:
        yield


@contextmanager
def _of_the_home(settings: Settings, job: str, patience: float) -> Iterator[None]:
    path = settings.home / "run" / f"{job}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:

        def taken() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        def holder() -> str:
            file.seek(0)
            return f"{file.read().strip() or 'another process'} holds {path}"

        _wait(job, taken, holder, patience)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


@contextmanager
def _of_the_installation(settings: Settings, job: str, patience: float) -> Iterator[None]:
    key = _KEYS[job]
    name = f"process {os.getpid()} on {socket.gethostname()}"
    try:
        connection = psycopg.connect(
            settings.postgres_url,
            autocommit=True,
            connect_timeout=10,
            application_name=name,
            options=_SERVER_LOSES_AFTER,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
        )
    except psycopg.OperationalError as error:
        raise SaranError(
            f"PostgreSQL, which keeps the lock of {job}, cannot be reached: {error}",
            fix="look at its pod, and run again",
        ) from error
    with connection:

        def taken() -> bool:
            (found,) = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone() or (False,)
            return bool(found)

        def holder() -> str:
            found = connection.execute(_HOLDER, (key,)).fetchone()
            return f"{found[0] if found else 'another process'} holds the lock in PostgreSQL"

        _wait(job, taken, holder, patience)
        yield


def _wait(job: str, taken: Callable[[], bool], holder: Callable[[], str], patience: float) -> None:
    deadline = time.monotonic() + patience
    while not taken():
        if time.monotonic() > deadline:
            cause, fix = _BUSY[job]
            raise SaranError(f"{cause}: {holder()}", fix=fix)
        time.sleep(_PAUSE_SECONDS)
