"""The lock file of jars, and that only what it records is ever used."""

from __future__ import annotations

import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from saran.cli import jars
from saran.core.errors import SaranError

CONTENT = b"not really a jar, but bytes with a checksum"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Nothing: requests are no news here."""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with Maven's layout, served; SARAN_JAR_MIRROR points to it."""
    root = tmp_path / "mirror"
    root.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("SARAN_JAR_MIRROR", f"http://127.0.0.1:{server.server_port}/")
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield root
        server.shutdown()
        thread.join()


def put(mirror: Path, organisation: str, name: str, version: str, content: bytes) -> None:
    folder = mirror / organisation.replace(".", "/") / name / version
    folder.mkdir(parents=True)
    (folder / f"{name}-{version}.jar").write_bytes(content)


def locked(tmp_path: Path, *coordinates: str, content: bytes = CONTENT) -> Path:
    lock = tmp_path / "jars.lock"
    sha256 = hashlib.sha256(content).hexdigest()
    lock.write_text("".join(f"kafka {coordinate} {sha256} {len(content)}\n" for coordinate in coordinates))
    return lock


def test_fetches_from_the_mirror_checks_and_keeps(tmp_path: Path, mirror: Path) -> None:
    put(mirror, "org.example", "one", "1.0", CONTENT)
    put(mirror, "org.example", "one", "2.0", CONTENT)  # two versions of one jar are two jars
    lock = locked(tmp_path, "org.example:one:1.0", "org.example:one:2.0")
    stale = tmp_path / "cache" / "jars" / "kafka" / "one-0.9.jar"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of an earlier lock file")
    arrived: list[str] = []

    fetched = jars.fetch(tmp_path / "cache", ["kafka"], lock=lock, progress=lambda jar: arrived.append(jar.coordinate))

    assert fetched == 2
    assert sorted(arrived) == ["org.example:one:1.0", "org.example:one:2.0"]
    folder = tmp_path / "cache" / "jars" / "kafka"
    assert sorted(path.name for path in folder.iterdir()) == ["one-1.0.jar", "one-2.0.jar"]
    assert jars.verify(tmp_path / "cache", ["kafka"], lock=lock) == []
    paths = jars.classpath(tmp_path / "cache", ["kafka"], lock=lock).split(os.pathsep)
    assert paths == [str(folder / "one-1.0.jar"), str(folder / "one-2.0.jar")]


def test_starts_no_java_when_all_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = locked(tmp_path, "org.example:one:1.0")
    held = tmp_path / "jars" / "kafka" / "one-1.0.jar"
    held.parent.mkdir(parents=True)
    held.write_bytes(CONTENT)
    monkeypatch.setenv("SARAN_JAVA", "/nowhere")
    assert jars.fetch(tmp_path, ["kafka"], lock=lock) == 0


def test_a_jar_that_is_not_the_recorded_one_is_refused(tmp_path: Path, mirror: Path) -> None:
    wrong = CONTENT.replace(b"not", b"NOT")
    put(mirror, "org.example", "one", "1.0", wrong)
    lock = locked(tmp_path, "org.example:one:1.0")
    with pytest.raises(SaranError) as caught:
        jars.fetch(tmp_path / "cache", ["kafka"], lock=lock)
    assert "one-1.0.jar" in caught.value.message
    assert hashlib.sha256(CONTENT).hexdigest() in caught.value.message
    assert hashlib.sha256(wrong).hexdigest() in caught.value.message
    assert "SARAN_JAR_MIRROR" in (caught.value.fix or "")
    assert not list((tmp_path / "cache").rglob("*.jar")), "nothing of it stays"


def test_a_missing_jar_is_named(tmp_path: Path, mirror: Path) -> None:
    lock = locked(tmp_path, "org.example:absent:1.0")
    with pytest.raises(SaranError, match="absent"):
        jars.fetch(tmp_path / "cache", ["kafka"], lock=lock)


def test_a_changed_jar_in_the_cache_is_found(tmp_path: Path) -> None:
    lock = locked(tmp_path, "org.example:one:1.0")
    held = tmp_path / "jars" / "kafka" / "one-1.0.jar"
    held.parent.mkdir(parents=True)
    held.write_bytes(CONTENT[::-1])
    (problem,) = jars.verify(tmp_path, ["kafka"], lock=lock)
    assert str(held) in problem


def test_a_broken_line_of_the_lock_file_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "jars.lock"
    lock.write_text("# header\nkafka org.example:one 12 34\n")
    with pytest.raises(SaranError, match=r"jars\.lock:2 is no jar"):
        jars.read_lock(lock)


def test_the_committed_lock_file_holds_what_is_asked_for() -> None:
    locked_jars = jars.read_lock()
    coordinates = {(jar.group, jar.coordinate) for jar in locked_jars}
    assert {(group, root) for group, roots in jars.ROOTS.items() for root in roots} <= coordinates
    assert len({(jar.group, jar.file) for jar in locked_jars}) == len(locked_jars)
    assert "://" not in jars.LOCK.read_text()
