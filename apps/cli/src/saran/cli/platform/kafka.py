"""The Kafka broker of the laptop platform: one KRaft node, started from its jars by plain `java`."""

from __future__ import annotations

import base64
import os
import subprocess
import uuid
from pathlib import Path
from typing import Final

from saran.cli import jars
from saran.cli.java import Java, java_options
from saran.cli.platform import probes
from saran.cli.platform.part import Part
from saran.core import class_data as archives
from saran.core.class_data import ClassData
from saran.core.errors import SaranError
from saran.core.settings import Settings
from saran.core.topics import ensure_topics

_HEAP_MB: Final = 512
_FORMAT_SECONDS: Final = 120
_PARTITIONS: Final = 4

_LOGGING: Final = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c{1})%n
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
logger.config.name=org.apache.kafka.common.config.AbstractConfig
logger.config.level=warn
logger.properties.name=kafka.server.KafkaConfig
logger.properties.level=warn
"""


def kafka_part(settings: Settings, java: Java, *, class_data: Path | None = None) -> Part:
    """The broker; ready when the platform's topics are there.

    Java writes the archive of its classes into `class_data` as it ends; without it, it uses the one that is there.
    """
    folder = settings.home / "kafka"
    port, controller = settings.port("kafka"), settings.port("kafka_controller")

    def command() -> tuple[str, ...]:
        sharing = archives.making_flags(class_data) if class_data else kafka_class_data(settings, java).flags()
        return (*_java(java, settings, folder), *sharing, "kafka.Kafka", str(folder / "server.properties"))

    def create_topics() -> None:
        ensure_topics(settings)

    return Part(
        name="kafka",
        command=command,
        probe=probes.tcp(port),
        prepare=lambda: _prepare(settings, java, folder),
        after_ready=create_topics,
        ports={"kafka": port, "kafka_controller": controller},
        start_seconds=90,
        stop_seconds=30,
        memory_mb=450,
    )


def kafka_class_data(settings: Settings, java: Java) -> ClassData:
    """The archive of the broker's classes; its jars must be there."""
    class_path = jars.classpath(settings.cache, [jars.KAFKA]).split(os.pathsep)
    return archives.class_data(settings.cache, jars.KAFKA, java.home, map(Path, class_path))


def properties(folder: Path, port: int, controller_port: int) -> str:
    """The broker's configuration file. One node: every internal topic has one replica."""
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": folder / "data",
        "auto.create.topics.enable": "false",
        "num.partitions": _PARTITIONS,
        "offsets.topic.num.partitions": _PARTITIONS,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": _PARTITIONS,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": _PARTITIONS,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Lags are looked at weeks after a replay: keep what groups have read for as long as the events.
        "offsets.retention.minutes": 60 * 24 * 30,
        "group.initial.rebalance.delay.ms": 0,
        # A broker that was killed may register again sooner than after 9 s. Not much sooner: on a busy machine a
        # broker that is late with a heartbeat would lose its partitions for a moment.
        "broker.heartbeat.interval.ms": 1000,
        "broker.session.timeout.ms": 6000,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _java(java: Java, settings: Settings, folder: Path) -> tuple[str, ...]:
    return (
        str(java.executable),
        f"-Xmx{_HEAP_MB}m",
        "-Xms128m",
        "-XX:+UseSerialGC",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
        *java_options(),
        *("-cp", jars.classpath(settings.cache, [jars.KAFKA])),
    )


def _prepare(settings: Settings, java: Java, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "server.properties"
    file.write_text(properties(folder, settings.port("kafka"), settings.port("kafka_controller")))
    (folder / "log4j2.properties").write_text(_LOGGING)
    if (folder / "data" / "meta.properties").exists():
        return
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
    command = (*_java(java, settings, folder), "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool")
    done = subprocess.run(
        [*command, "format", "--cluster-id", cluster, "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=_FORMAT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise SaranError(
            f"Kafka's storage in {folder / 'data'} cannot be formatted: {(done.stderr or done.stdout).strip()[-500:]}",
            fix="see that the folder can be written and the disk is not full",
        )
