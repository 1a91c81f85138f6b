"""The preflight as a process, in environments that are made bad on purpose; generated files do not drift."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from saran.cli import jars
from saran.core.settings import CHECKOUT

SCRIPT = CHECKOUT / "scripts" / "preflight.py"


def preflight(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SARAN_HOME": str(tmp_path / "home")}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**base, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def free_offset() -> str:
    from tests.servers import free_offset as find

    return str(find())


def test_says_what_is_well_and_what_will_be_fetched(tmp_path: Path) -> None:
    done = preflight(tmp_path, SARAN_PORT_OFFSET=free_offset())
    assert done.returncode == 0, done.stdout
    count = sum(jar.group in (jars.KAFKA, jars.SPARK) for jar in jars.read_lock())
    for words in ("ok Python 3.", "ok disk:", "memory", "ok ports are free", f"Java libraries ({count} jars)"):
        assert words in done.stdout
    assert "\033[" not in done.stdout


def test_a_port_in_use_is_named_with_its_fix(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = preflight(tmp_path, SARAN_PORTS__KAFKA=str(port))
    assert done.returncode == 1
    assert f"NO ports in use: {port} (kafka)" in done.stdout
    assert "SARAN_PORT_OFFSET" in done.stdout


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    done = preflight(tmp_path, SARAN_CACHE="/proc/saran", SARAN_PORT_OFFSET=free_offset())
    assert done.returncode == 1
    assert "NO /proc cannot be written" in done.stdout
    assert "set SARAN_CACHE" in done.stdout


def test_a_proxy_is_shown_without_its_password(tmp_path: Path) -> None:
    done = preflight(tmp_path, HTTPS_PROXY="http://me:secret@proxy.example:3128", SARAN_PORT_OFFSET=free_offset())
    assert "the proxy http://***@proxy.example:3128" in done.stdout
    assert "secret" not in done.stdout
    bad = preflight(tmp_path, HTTPS_PROXY="proxy example", SARAN_PORT_OFFSET=free_offset())
    assert bad.returncode == 1
    assert "is no proxy address" in bad.stdout


def test_java_is_found_or_announced_as_a_wheel(tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    assert preflight(tmp_path, "--has-java", PATH=str(empty)).returncode == 1
    done = preflight(tmp_path, PATH=str(empty), SARAN_PORT_OFFSET=free_offset())
    assert "no Java 17 or newer: a runtime is installed as a wheel" in done.stdout
    java = empty / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.15\" 2025-04-15' >&2\n")
    java.chmod(0o755)
    assert preflight(tmp_path, "--has-java", PATH=f"{empty}:/bin:/usr/bin").returncode == 0


@pytest.mark.parametrize("target", ["help", "preflight"])
def test_make_targets_that_fetch_nothing(tmp_path: Path, target: str) -> None:
    environment = {**os.environ, "SARAN_HOME": str(tmp_path), "SARAN_PORT_OFFSET": free_offset()}
    done = subprocess.run(
        ["make", target], cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "demo" in done.stdout or "ports are free" in done.stdout


def test_generated_files_are_as_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/generate.py", "--check"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
