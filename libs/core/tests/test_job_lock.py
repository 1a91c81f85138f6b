"""Two jobs that own the same tables never run at once, and a killed one does not stand in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from saran.core.errors import SaranError
from saran.core.job_lock import CHAMPION, STREAMS, TRAINING, only_one
from saran.core.settings import Settings

_HOLD = """
import sys
from pathlib import Path
from saran.core.errors import SaranError
from saran.core.settings import Settings
from saran.core.job_lock import only_one

try:
    with only_one(Settings(home=Path(sys.argv[1])), sys.argv[2]):
        sys.stdout.write("held\\n")
        sys.stdout.flush()
        sys.stdin.read()
except SaranError as error:
    sys.stdout.write(f"{error}\\n")
"""


@contextmanager
def asking(home: Path, job: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that asks for the lock of `job` and holds it while inside, and what it said."""
    command = [sys.executable, "-c", _HOLD, str(home), job]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize("job", [STREAMS, TRAINING])
def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path, job: str) -> None:
    with asking(tmp_path, job) as (holder, said):
        assert said == "held"
        with asking(tmp_path, job) as (_, refused):
            assert f"process {holder.pid} on " in refused
            assert str(tmp_path / "run" / f"{job}.lock") in refused
        with pytest.raises(SaranError, match=f"process {holder.pid} on ") as raised, only_one(settings(tmp_path), job):
            pytest.fail("both hold it")
        assert raised.value.fix


def test_the_next_gets_it_after_kill_9_of_the_holder(tmp_path: Path) -> None:
    with asking(tmp_path, TRAINING) as (holder, said):
        assert said == "held"
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=30)
        with asking(tmp_path, TRAINING) as (_, next_said):
            assert next_said == "held"


def test_it_is_free_after_an_error_and_in_another_home_and_for_another_job(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_one(settings(tmp_path), TRAINING):
        raise ZeroDivisionError
    with (
        only_one(settings(tmp_path), TRAINING),
        only_one(settings(tmp_path), STREAMS),
        only_one(settings(tmp_path / "another"), TRAINING),
        pytest.raises(SaranError, match="another training runs"),
        only_one(settings(tmp_path), TRAINING),
    ):
        pytest.fail("two trainings at once")


def test_who_has_patience_gets_it_when_it_is_free(tmp_path: Path) -> None:
    with asking(tmp_path, CHAMPION) as (holder, said):
        assert said == "held"
        threading.Timer(0.5, holder.kill).start()
        with only_one(settings(tmp_path), CHAMPION, patience=60):
            assert holder.wait(timeout=30) == -signal.SIGKILL


@pytest.fixture
def pods(tmp_path: Path, postgres_url: str) -> tuple[Settings, Settings]:
    """Two pods of an installation: a home each, and one database."""
    first, second = (
        Settings(home=tmp_path / name, mode="cluster", database_url=SecretStr(postgres_url)) for name in "ab"
    )
    return first, second


@pytest.mark.postgres
def test_pods_of_an_installation_exclude_each_other(
    pods: tuple[Settings, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saran.core.job_lock._TRAINING_PATIENCE", 0.2)
    first, second = pods
    with (
        only_one(first, TRAINING),
        only_one(second, STREAMS),
        only_one(first, STREAMS),
        only_one(second, CHAMPION),
        pytest.raises(SaranError, match=f"another training runs: process {os.getpid()} on .* in PostgreSQL"),
        only_one(second, TRAINING),
    ):
        pytest.fail("two trainings at once")
    with only_one(second, TRAINING):
        pass


@pytest.mark.postgres
def test_a_training_of_a_cluster_waits_for_the_one_before_it(pods: tuple[Settings, Settings]) -> None:
    first, second = pods
    with ExitStack() as held:
        held.enter_context(only_one(first, TRAINING))
        threading.Timer(0.5, held.close).start()
        began = time.monotonic()
        with only_one(second, TRAINING):
            assert time.monotonic() - began >= 0.4


def test_a_database_that_is_away_is_named(tmp_path: Path) -> None:
    nowhere = SecretStr("postgresql://nobody@127.0.0.1:1/saran")
    cluster = Settings(home=tmp_path, mode="cluster", database_url=nowhere)
    with pytest.raises(SaranError, match="PostgreSQL, which keeps the lock of champion, cannot be reached"):
        only_one(cluster, CHAMPION).__enter__()


def settings(home: Path) -> Settings:
    return Settings(home=home)
