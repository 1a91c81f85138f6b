"""Real servers for tests, made of the same part definitions that `saran up` supervises."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from saran.cli import jars
from saran.cli.java import find_java
from saran.cli.platform.kafka import kafka_part
from saran.cli.platform.part import Part
from saran.cli.platform.postgres import postgres_part
from saran.core.settings import Settings

_OFFSETS: Final = range(2_000, 17_000, 17)
"""Low enough that no port lies where systems take ports of outgoing connections from (32768 and up on Linux)."""

_POLL_SECONDS: Final = 0.05


class Server:
    """One part as a process of the tests' own, which can be killed and started again."""

    def __init__(self, part: Part, log: Path) -> None:
        self.part = part
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until ready. Raises RuntimeError with the log's end when it ends instead."""
        self.part.prepare()
        started = time.time()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.part.command(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.part.environment},
                start_new_session=True,
                user=self.part.user,
                group=None if self.part.user is None else pwd.getpwuid(self.part.user).pw_gid,
                extra_groups=None if self.part.user is None else [],
                cwd="/",
            )
        deadline = time.monotonic() + self.part.start_seconds
        while (why := self.part.probe(started)) is not None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self._log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.part.name} is not ready ({why}); end of {self._log}:\n{tail}")
            time.sleep(_POLL_SECONDS)
        self.part.after_ready()

    def kill9(self) -> None:
        """End it at once, as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it politely."""
        self._end(self.part.stop_signal)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        os.killpg(self._process.pid, number)
        self._process.wait(timeout=self.part.stop_seconds + 10)
        self._process = None


def kafka_server(settings: Settings) -> Server:
    """A broker of its own under `settings.home`; fetches its jars when they are not cached."""
    java = find_java(settings.cache)
    jars.fetch(settings.cache, [jars.KAFKA], java=java)
    settings.home.mkdir(parents=True, exist_ok=True)
    return Server(kafka_part(settings, java), settings.home / "kafka.log")


def postgres_server(settings: Settings) -> Server:
    """A database server of its own under `settings.home`."""
    settings.home.mkdir(parents=True, exist_ok=True)
    return Server(postgres_part(settings), settings.home / "postgres.log")


def free_offset() -> int:
    """A SARAN_PORT_OFFSET at which every port of the platform is free now."""
    ports = Settings().ports.model_dump().values()
    first = os.getpid() % len(_OFFSETS)
    offsets: list[int] = [*_OFFSETS[first:], *_OFFSETS[:first]]
    for offset in offsets:
        if all(_free(port + offset) for port in ports):
            return offset
    raise RuntimeError(f"no free block of ports at any offset of {_OFFSETS}")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
