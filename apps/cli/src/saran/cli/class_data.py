"""Makes the archives of loaded classes by which the broker and Spark's drivers start quicker the next time."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from saran.cli import jars
from saran.cli.java import Java, find_java, spark_environment
from saran.cli.platform.kafka import kafka_class_data, kafka_part
from saran.core.class_data import ClassData, spark_class_data
from saran.core.errors import SaranError
from saran.core.settings import Settings

_SPARK_SECONDS: Final = 600
_END_SECONDS: Final = 120
_POLL_SECONDS: Final = 0.1


def missing(settings: Settings, groups: Collection[str]) -> list[ClassData]:
    """The archives of what `groups` of jars are for that are not made yet; Java and the jars must be there."""
    java = find_java(settings.cache)
    wanted = []
    if jars.KAFKA in groups:
        wanted.append(kafka_class_data(settings, java))
    # Where an image is built, jars are fetched without the part that uses them.
    if jars.SPARK in groups and find_spec("saran.spark") and (spark := spark_class_data(settings, _environment(java))):
        wanted.append(spark)
    return [one for one in wanted if one.file() is None]


def make(settings: Settings, archive: ClassData) -> int:
    """Make one of `missing` by running its program once on a home of its own; its bytes.

    Raises SaranError when it cannot be made; nothing is left of it then, and everything works without it.
    """
    run = _RUNS[archive.name]
    try:
        with tempfile.TemporaryDirectory(prefix="saran-") as home, archive.making() as unfinished:
            run(settings, Path(home), unfinished)
        made = archive.file()
        return made.stat().st_size if made else 0
    except (OSError, subprocess.SubprocessError) as error:
        raise SaranError(
            f"{error}", fix=f"see that {archive.folder} can be written and the disk is not full"
        ) from error


@contextlib.contextmanager
def made_meanwhile(settings: Settings) -> Iterator[None]:
    """Have `saran jars` make what is missing while the block runs, out of the way of all else.

    What is not made when the block ends is left for the next time.
    """
    if not missing(settings, (jars.KAFKA, jars.SPARK)):
        yield
        return
    log = settings.home / "logs" / "jars-command.log"
    command = ["nice", "-n", "10", sys.executable, "-m", "saran.cli", "jars"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        process.wait(_END_SECONDS)


def _run_spark(settings: Settings, home: Path, unfinished: Path) -> None:
    command = [sys.executable, "-m", "saran.spark.warm_up", str(unfinished)]
    environment = {**_environment(find_java(settings.cache)), "SARAN_HOME": str(home), "SARAN_MODE": "laptop"}
    with _started(command, home, environment) as (process, log):
        code = process.wait(_SPARK_SECONDS)
    _check(code, (0,), log)


def _run_kafka(settings: Settings, home: Path, unfinished: Path) -> None:
    """Start the broker and end it politely."""
    port, controller = _free_ports(2)
    ports = settings.ports.model_copy(update={"kafka": port, "kafka_controller": controller})
    own = settings.model_copy(update={"home": home, "ports": ports, "port_offset": 0})
    part = kafka_part(own, find_java(settings.cache), class_data=unfinished)
    part.prepare()
    with _started(list(part.command()), home, {**os.environ, **part.environment}) as (process, log):
        began = time.time()
        while part.probe(began) is not None:
            if process.poll() is not None or time.time() > began + part.start_seconds:
                break
            time.sleep(_POLL_SECONDS)
        else:
            process.send_signal(part.stop_signal)
        code = process.wait(_END_SECONDS)
    _check(code, (0, 128 + part.stop_signal, -part.stop_signal), log)


_RUNS: Final[dict[str, Callable[[Settings, Path, Path], None]]] = {jars.SPARK: _run_spark, jars.KAFKA: _run_kafka}


@contextlib.contextmanager
def _started(
    command: list[str], home: Path, environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A process in a group of its own, of which nothing lives after the block; and its log."""
    log = home / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, start_new_session=True
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _check(code: int, good: tuple[int, ...], log: Path) -> None:
    if code not in good:
        lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise SaranError(
            f"its run ended with {code}: {lines[-1][-300:]}", fix="all works without; `saran jars` tries again"
        )


def _environment(java: Java) -> dict[str, str]:
    return {**os.environ, **spark_environment(java)}


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
