"""The whole laptop platform as tests use it: started, fed, killed in parts, and asked what it holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
from confluent_kafka import Consumer, TopicPartition
from deltalake import DeltaTable

from saran.cli.platform.state import Phase, read_state
from saran.core.settings import Settings

PATIENCE: Final = 240.0
"""Seconds that a test waits for what must come."""


class Platform:
    """The platform in a home of the tests' own, under its own supervisor."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.environment = {
            **os.environ,
            "SARAN_HOME": str(settings.home),
            "SARAN_PORT_OFFSET": str(settings.port_offset),
            "SARAN_DATASET": settings.dataset,
            "NO_COLOR": "1",
        }

    def saran(self, *arguments: str) -> None:
        """Run a command of `saran` to its end, which must be a good one."""
        done = subprocess.run(
            [sys.executable, "-m", "saran.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def load(self, *options: str) -> subprocess.Popen[str]:
        """Begin `saran load` of the settings' data set."""
        return subprocess.Popen(
            [sys.executable, "-m", "saran.cli", "load", self.settings.dataset, "--json", *options],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill(self, part: str) -> None:
        """SIGKILL to the part's process once it is ready, as its supervisor knows it."""
        wait(f"{part} to be ready", lambda: self._state(part).phase is Phase.READY)
        pid = self._state(part).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    @contextmanager
    def held(self, part: str) -> Iterator[None]:
        """The part's process stopped where it is, so that it does not answer and is not started again; then let go."""
        pid = self._state(part).pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def restarts(self, part: str) -> int:
        """How often the supervisor started the part again."""
        return int(self._state(part).restarts)

    def _state(self, part: str) -> Any:
        state = read_state(self.settings.home)
        assert state is not None
        return state.parts[part]

    def rows(self, table: str, *columns: str) -> list[dict[str, Any]]:
        """Some columns of a Delta table."""
        found = DeltaTable(self.settings.table_path(table)).to_pyarrow_dataset().to_table(columns=list(columns))
        return list(found.to_pylist())

    def records(self) -> int:
        """Records in the topic `events`, by the broker's own offsets."""
        consumer = Consumer({"bootstrap.servers": self.settings.bootstrap, "group.id": "ledger"})
        try:
            topic = self.settings.events_topic
            partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
            return sum(consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1] for p in partitions)
        finally:
            consumer.close()

    def count(self, table: str) -> int:
        """Rows of a Delta table; 0 before it is there."""
        path = self.settings.table_path(table)
        return int(DeltaTable(path).count()) if DeltaTable.is_deltatable(path) else 0

    def serves(self, user_id: str) -> bool:
        """Whether the API makes the user's own list: the model is served, and the worker has read of the user."""
        url = f"{self.settings.api_url}/recommendations/user/{user_id}"
        answer = httpx.get(url, timeout=5.0, trust_env=False)
        return answer.is_success and answer.json()["source"] == "personal"


def wait(what: str, holds: Callable[[], bool]) -> None:
    """Until `holds`, at most PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.25)
