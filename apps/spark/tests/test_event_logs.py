"""An ended application in Spark's history server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyarrow import fs
from tests.servers import free_offset

from saran.core.names import Bucket
from saran.core.s3 import S3, S3Path
from saran.core.settings import Settings, Spark
from saran.spark.event_logs import FOLDER, event_log_options, history_options

_JOB = """
from saran.core.settings import load_settings
from saran.spark.session import build_session
session = build_session(load_settings(), "counted", delta=False)
assert session.range(7).count() == 7
session.stop()
"""


def test_nothing_is_written_unless_wanted(tmp_path: Path) -> None:
    assert event_log_options(Settings(home=tmp_path)) == {}
    assert not (tmp_path / "data").exists()


def test_in_a_cluster_logs_are_in_the_bucket() -> None:
    settings = Settings(mode="cluster", s3=S3(endpoint="http://store", bucket_prefix="x-"))
    assert history_options(settings)["spark.history.fs.logDirectory"] == "s3://x-checkpoints/spark-events"
    assert history_options(settings)["spark.hadoop.fs.s3a.endpoint"] == "http://store"


def test_the_folder_is_made_in_a_store_that_has_none(s3: S3) -> None:
    # Spark does not start where its client finds no folder.
    settings = Settings(mode="cluster", s3=s3, spark=Spark(event_logs=True))
    written = event_log_options(settings)["spark.eventLog.dir"]
    assert written == history_options(settings)["spark.history.fs.logDirectory"]
    (found,) = S3Path(s3, settings.bucket(Bucket.CHECKPOINTS).removeprefix("s3://")).listing()
    assert (found.base_name, found.type) == (FOLDER, fs.FileType.Directory)
    event_log_options(settings)


@pytest.mark.spark
def test_an_ended_application_is_shown(test_settings: Settings, tmp_path: Path) -> None:
    port = Settings().port("api") + free_offset()
    environment = {
        **os.environ,
        "SARAN_HOME": str(tmp_path),
        "SARAN_CACHE": str(test_settings.cache),
        "SARAN_SPARK__HISTORY_PORT": str(port),
        "SARAN_SPARK__EVENT_LOGS": "true",
        "SPARK_DAEMON_MEMORY": "256m",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    subprocess.run([sys.executable, "-c", _JOB], env=environment, check=True, timeout=120)
    with (tmp_path / "history.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "saran.spark.event_logs"], env=environment, stdout=log, stderr=log
        )
    try:
        (shown,) = _applications(server, port, log=tmp_path / "history.log")
    finally:
        server.terminate()
        server.wait(timeout=30)
    assert shown["name"] == "counted"
    (attempt,) = shown["attempts"]
    assert attempt["completed"]


def _applications(server: subprocess.Popen[bytes], port: int, *, log: Path) -> Any:
    """What the server lists, once it lists something."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/applications", timeout=5, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        if answer.is_success and answer.json():
            return answer.json()
        time.sleep(0.2)
    pytest.fail(log.read_text())
