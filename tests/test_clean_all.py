"""`make clean-all` in a checkout of its own: what runs is stopped, what was made is removed, and nothing else.

Everything happens below the test's folder: the checkout holds only what the target reads, its `.venv` only a `saran`
that calls the one under test, and home, cache and the user's own folder are named by the environment.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from saran.cli.platform import control, process
from saran.cli.platform.state import HomeLock, read_state
from saran.core.settings import CHECKOUT
from tests.servers import free_offset


class Copy:
    """A checkout in `folder`, and somebody who types in it."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.user = folder / "user"
        self.cache = folder / "cache"
        self.homes: list[Path] = []
        for name in ("Makefile", "scripts/clean.py"):
            copied = self.checkout / name
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CHECKOUT / name, copied)
        saran = self.checkout / ".venv" / "bin" / "saran"
        saran.parent.mkdir(parents=True)
        saran.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m saran.cli "$@"\n')
        saran.chmod(0o755)
        self.user.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SARAN_", "XDG_", "MAKE"))}
        self.environment = {**kept, "HOME": str(self.user), "SARAN_CACHE": str(self.cache), "NO_COLOR": "1"}

    def run(self, *command: str, code: int = 0, **environment: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.checkout,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def up(self, home: Path) -> list[psutil.Process]:
        """Start PostgreSQL in a home; the supervisor and the server."""
        self.homes.append(home)
        up = (".venv/bin/saran", "up", "--detach", "--only", "postgres", "--home", str(home))
        self.run(*up, SARAN_PORT_OFFSET=str(free_offset()))
        state = read_state(home)
        assert state is not None
        pid = state.parts["postgres"].pid
        assert pid is not None
        return [psutil.Process(state.supervisor_pid), psutil.Process(pid)]


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    one = Copy(tmp_path)
    yield one
    for home in one.homes:
        control.down(home)


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    return path


def gone(one: psutil.Process) -> bool:
    return not one.is_running() or one.status() == psutil.STATUS_ZOMBIE


@pytest.mark.postgres
def test_stops_all_and_removes_all_and_nothing_else(copy: Copy) -> None:
    home = copy.checkout / ".saran"
    running = [*copy.up(home), *copy.up(home / "retailrocket")]
    os.kill(running[2].pid, signal.SIGKILL)  # what a killed supervisor left is stopped too
    made = [
        write(copy.cache / "jars" / "kafka" / "one.jar"),
        write(copy.cache / "java" / "trust.p12"),
        write(home / "demo.json"),
        *(write(copy.checkout / name / "file") for name in (".mypy_cache", "build", "apps/api/src/__pycache__")),
    ]
    kept = [
        write(copy.checkout / "apps" / "api" / "src" / "app.py"),
        write(copy.checkout / "datasets" / "ratings.csv"),
        write(copy.user / ".cache" / "saran" / "jars" / "of-another-checkout.jar"),
        write(copy.user / ".saran" / "data" / "notes"),
        write(copy.checkout.parent / "neighbour" / ".venv" / "pyvenv.cfg"),
    ]

    copy.run("make", "clean-all")

    assert all(map(gone, running))
    assert process.marked(home) == process.marked(home / "retailrocket") == []
    assert [path for path in made if path.exists()] == []
    assert all(path.read_text() == "mine" for path in kept)
    assert not home.exists()
    assert not copy.cache.exists()
    assert sorted(path.name for path in copy.checkout.iterdir()) == ["Makefile", "apps", "datasets", "scripts"]


@pytest.mark.postgres
def test_a_home_elsewhere_is_stopped_and_removed(copy: Copy, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    running = copy.up(home)
    own = write(home / "my-notes.txt")

    told = copy.run("make", "clean-all", SARAN_HOME=str(home))

    assert all(map(gone, running))
    assert [path.name for path in home.iterdir()] == ["my-notes.txt"]
    assert own.read_text() == "mine"
    assert f"left alone: my-notes.txt in {home}" in told


def test_a_home_in_use_is_kept_when_nothing_can_stop_it(copy: Copy) -> None:
    """Without its environment there is no `saran down`: the files of a running platform are not taken away."""
    home = copy.checkout / ".saran"
    lock = HomeLock(home)
    assert lock.acquire()
    data = write(home / "data" / "table")
    try:
        told = copy.run("make", "clean-all", code=2)
    finally:
        lock.release()
    assert f"the platform still runs in {home}" in told
    assert data.exists()
    assert (copy.checkout / ".venv" / "bin" / "saran").exists()
    copy.run("make", "clean-all")
    assert not home.exists()


def test_folders_of_somebody_else_are_left_alone(copy: Copy) -> None:
    """SARAN_HOME and SARAN_CACHE may name any folder by mistake, even the user's own with its data and logs."""
    own = [write(copy.user / name / "file") for name in ("data", "logs", "run", ".cache/browser")]

    told = copy.run("make", "clean-all", SARAN_HOME=str(copy.user), SARAN_CACHE=str(copy.user / ".cache"))

    assert all(path.exists() for path in own)
    assert f"left alone: {copy.user} does not look like Saran's" in told
    assert f"left alone: browser in {copy.user / '.cache'}" in told


def test_twice_is_harmless(copy: Copy) -> None:
    copy.run("make", "clean-all")
    assert "removed" not in copy.run("make", "clean-all")
