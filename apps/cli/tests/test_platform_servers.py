"""The real broker and the real database under the supervisor: start, kill -9, restart, stop; nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from tests.servers import free_offset

from saran.cli.platform.state import read_state
from saran.core.names import Topic
from saran.core.settings import Settings
from saran.core.topics import ensure_topics, topic_configs

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


class Installation:
    """A home with the `saran` command of its own ports."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, port_offset=free_offset())
        self.environment = {
            **os.environ,
            "SARAN_HOME": str(home),
            "SARAN_PORT_OFFSET": str(self.settings.port_offset),
            "NO_COLOR": "1",
        }

    def saran(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "saran.cli", *arguments, "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def up(self) -> dict[str, Any]:
        return self.saran("up", "--detach", "--only", "kafka,postgres")

    def kill9(self, part: str) -> int:
        """Kill a part and wait until the supervisor has it ready again; its old pid."""
        state = read_state(self.settings.home)
        assert state is not None
        pid = state.parts[part].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while True:
            state = read_state(self.settings.home)
            assert state is not None
            if state.parts[part].restarts and state.parts[part].phase == "ready":
                return pid
            assert time.monotonic() < deadline, state.parts[part]
            time.sleep(0.05)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    # Longer than a socket's path may be: nothing may depend on one.
    home = tmp_path_factory.mktemp("a-home-whose-path-is-long-" + "x" * 90)
    one = Installation(home)
    one.up()
    yield one
    one.saran("down")


def test_status_and_second_up(installation: Installation) -> None:
    status = installation.saran("status")
    assert {name: part["state"] for name, part in status["parts"].items()} == {"kafka": "ready", "postgres": "ready"}
    assert status["parts"]["kafka"]["ports"]["kafka"] == installation.settings.port("kafka")
    assert status["parts"]["kafka"]["memory_bytes"] > 100 * 2**20
    again = installation.up()
    assert again["parts"]["kafka"]["pid"] == status["parts"]["kafka"]["pid"]


def test_doctor_finds_all_well(installation: Installation) -> None:
    findings = {one["name"]: one for one in installation.saran("doctor")["findings"]}
    assert {"python", "java", "jars", "disk", "parts", "kafka", "postgres"} <= set(findings)
    assert all(one["well"] for one in findings.values())


def test_topics_are_as_settings_say(installation: Installation) -> None:
    settings = installation.settings
    assert ensure_topics(settings) == [], "they were made at the start; again changes nothing"
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "test"})
    topics = consumer.list_topics(timeout=10).topics
    consumer.close()
    assert {name: len(topics[name].partitions) for name in topic_configs(settings)} == dict.fromkeys(
        (Topic.EVENTS, Topic.DLQ, Topic.CATALOG, Topic.USERS, Topic.REQUESTS), settings.kafka.partitions
    )
    assert int(topic_configs(settings)[Topic.EVENTS]["retention.ms"]) >= 7 * 24 * 3_600_000
    assert topic_configs(settings)[Topic.CATALOG] == {"cleanup.policy": "compact"}


def test_what_kafka_acknowledged_survives_kill_9(installation: Installation) -> None:
    settings = installation.settings
    producer = Producer({"bootstrap.servers": settings.bootstrap, "acks": "all"})
    for number in range(1000):
        producer.produce(Topic.EVENTS, value=str(number).encode(), partition=0)
    assert producer.flush(30) == 0

    old = installation.kill9("kafka")

    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "test"})
    assert consumer.get_watermark_offsets(TopicPartition(Topic.EVENTS, 0), timeout=30) == (0, 1000)
    consumer.close()
    part = installation.saran("status")["parts"]["kafka"]
    assert part["restarts"] == 1
    assert part["last_exit"] == "was ended by SIGKILL"
    assert part["pid"] != old


def test_what_postgres_committed_survives_kill_9(installation: Installation) -> None:
    url = installation.settings.postgres_url
    with psycopg.connect(url, connect_timeout=10) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    installation.kill9("postgres")
    with psycopg.connect(url, connect_timeout=10) as connection:
        assert connection.execute("SELECT sum(number) FROM kept").fetchone() == (500_500,)
        assert connection.execute("SELECT to_regclass('analytics.table_counts')::text").fetchone() == (
            "analytics.table_counts",
        )


def test_postgres_asks_for_its_password(installation: Installation) -> None:
    password = installation.settings.home / "postgres" / "password"
    assert password.stat().st_mode & 0o777 == 0o600
    wrong = installation.settings.postgres_url.replace(password.read_text().strip(), "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong, connect_timeout=10)


def test_the_next_up_takes_over_after_kill_9_of_the_supervisor(installation: Installation) -> None:
    before = installation.saran("status")
    os.kill(before["supervisor_pid"], signal.SIGKILL)
    old = [part["pid"] for part in before["parts"].values()]
    psutil.wait_procs([psutil.Process(before["supervisor_pid"])], timeout=10)
    assert all(map(psutil.pid_exists, old))
    assert installation.saran("status", code=1)["left_behind"] == ["kafka", "postgres"]

    installation.up()

    assert installation.saran("status")["supervisor_pid"] != before["supervisor_pid"]
    assert not any(_lives(pid) for pid in old)
    with psycopg.connect(installation.settings.postgres_url, connect_timeout=10) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


def test_down_leaves_nothing(installation: Installation) -> None:
    home = str(installation.settings.home)
    assert installation.saran("down")["stopped"] == ["kafka", "postgres"]
    assert not [one.info["cmdline"] for one in psutil.process_iter(["cmdline"]) if home in str(one.info["cmdline"])]
    assert installation.saran("status", code=1)["running"] is False


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
