"""Archives of loaded classes: whole ones are used by real Javas, others are never shown to one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saran.cli import class_data, jars
from saran.cli.java import Java, find_java, spark_environment
from saran.core import class_data as archives
from saran.core.class_data import ClassData
from saran.core.errors import SaranError
from saran.core.settings import Settings, load_settings

FROM_ARCHIVE = "source: shared objects file (top)"
"""What Java says of a class that comes from the archive and not from the one of Java's own classes."""
BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


@pytest.fixture(scope="module")
def java() -> Java:
    return find_java(load_settings().cache)


def run(java: Java, *flags: str) -> str:
    """Output of a small program, Ivy, which names itself."""
    command = [str(java.executable), *flags, "-cp", str(jars._ivy_jar()), "org.apache.ivy.Main", "-version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Apache Ivy" in done.stdout
    assert "[warning]" not in done.stdout
    assert "[error" not in done.stdout
    return done.stdout


def made(java: Java, cache: Path) -> ClassData:
    archive = archives.class_data(cache, "ivy", java.home, [jars._ivy_jar()])
    with archive.making() as unfinished:
        run(java, *archives.making_flags(unfinished))
    return archive


@pytest.mark.parametrize("flags", [(), BRIEF], ids=["default", "brief"])
def test_classes_come_from_the_archive(java: Java, tmp_path: Path, flags: tuple[str, ...]) -> None:
    archive = made(java, tmp_path)
    lines = run(java, *archive.flags(), *flags, "-Xlog:class+load").splitlines()
    (main,) = (line for line in lines if "org.apache.ivy.Main " in line)
    assert FROM_ARCHIVE in main


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.99])
def test_an_archive_that_was_cut_off_is_not_used(java: Java, tmp_path: Path, kept: float) -> None:
    archive = made(java, tmp_path)
    file = archive.file()
    assert file is not None
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    assert archive.flags() == ()
    assert FROM_ARCHIVE not in run(java, *archive.flags(), "-Xlog:class+load")


def test_one_that_java_passes_over_makes_no_noise(java: Java, tmp_path: Path) -> None:
    archive = made(java, tmp_path)
    file = archive.file()
    assert file is not None
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(b"\0" * len(content))
    assert archive.flags(), "its size is right"
    assert FROM_ARCHIVE not in run(java, *archive.flags(), "-Xlog:class+load")


def test_the_key_tells_java_and_jars(tmp_path: Path) -> None:
    home, other = tmp_path / "java", tmp_path / "other"
    for one in (home, other):
        one.mkdir()
        (one / "release").write_text('JAVA_VERSION="17.0.1"\n')
    jar = tmp_path / "one-1.0.jar"
    jar.write_bytes(b"jar")
    os.utime(jar, (1, 1))

    def key(where: Path = home, *class_path: Path) -> str:
        return archives.class_data(tmp_path, "x", where, class_path or (jar,)).key

    first = key()
    assert key() == first
    newer = tmp_path / "one-1.1.jar"
    newer.write_bytes(b"jar")
    os.utime(newer, (1, 1))
    keys = {first, key(home, newer), key(home, jar, newer), key(home, newer, jar), key(other)}
    os.utime(jar, (2, 2))
    keys.add(key())
    (home / "release").write_text('JAVA_VERSION="17.0.2"\n')
    keys.add(key())
    assert len(keys) == 7


def test_what_fails_leaves_nothing_and_keeps_what_was(tmp_path: Path) -> None:
    old = ClassData(tmp_path, "x", "old")
    with old.making() as unfinished:
        unfinished.write_bytes(b"classes")
    new = ClassData(tmp_path, "x", "new")
    with pytest.raises(SaranError, match="wrote no archive"), new.making():
        pass

    def interrupted() -> None:
        with new.making() as unfinished:
            unfinished.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert new.file() is None
    assert [path.name for path in tmp_path.iterdir()] == ["x-old-7.jsa"]


def test_a_new_one_takes_the_place_of_others_of_its_name(tmp_path: Path) -> None:
    for name, key in (("x", "old"), ("y", "old"), ("x", "new")):
        with ClassData(tmp_path, name, key).making() as unfinished:
            unfinished.write_bytes(b"classes")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-new-7.jsa", "y-old-7.jsa"]


def test_a_run_that_fails_is_told_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(settings: Settings, home: Path, unfinished: Path) -> None:
        unfinished.write_bytes(b"half")
        command = [sys.executable, "-c", "raise SystemExit('no space left')"]
        with class_data._started(command, home, dict(os.environ)) as (process, log):
            class_data._check(process.wait(30), (0,), log)

    monkeypatch.setitem(class_data._RUNS, "x", fails)
    with pytest.raises(SaranError, match=r"ended with 1: no space left"):
        class_data.make(Settings(home=tmp_path / "home"), ClassData(tmp_path / "java", "x", "key"))
    assert list((tmp_path / "java").iterdir()) == []


def test_what_is_made_beside_the_demo_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_data, "missing", lambda *_: [ClassData(tmp_path, "x", "key")])
    (tmp_path / "logs").mkdir()
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\ntrap 'echo ended; exit 1' TERM\necho \"$@\"\nwhile :; do sleep 0.1; done\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    log = tmp_path / "logs" / "jars-command.log"
    with class_data.made_meanwhile(Settings(home=tmp_path)):
        deadline = time.monotonic() + 30
        while not (log.exists() and log.read_text().endswith("saran.cli jars\n")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert log.read_text() == "-m saran.cli jars\nended\n"


@pytest.mark.spark
@pytest.mark.timeout(600)
def test_sparks_drivers_use_theirs(spark_jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARAN_SPARK_JARS", str(spark_jars))
    monkeypatch.setenv("SARAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SARAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JAVA_HOME", os.environ["JAVA_HOME"])
    settings = load_settings()
    (archive,) = class_data.missing(settings, [jars.SPARK])
    assert class_data.make(settings, archive) > 50_000_000
    assert class_data.missing(settings, [jars.SPARK]) == []
    log = tmp_path / "classes"
    code = (
        "from saran.core.settings import load_settings; from saran.spark.session import build_session\n"
        "spark = build_session(load_settings(), 'test', delta=False); spark.range(3).collect(); spark.stop()"
    )
    java = find_java(load_settings().cache)
    environment = {**os.environ, **spark_environment(java), "JDK_JAVA_OPTIONS": f"-Xlog:class+load:file={log}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "[cds" not in done.stdout + done.stderr
    lines = log.read_text().splitlines()
    sparks = [line for line in lines if " org.apache.spark." in line and "source: " in line]
    shared = [line for line in sparks if FROM_ARCHIVE in line]
    assert len(shared) > 0.9 * len([line for line in sparks if "$Lambda" not in line]) > 1000


@pytest.mark.kafka
def test_the_broker_uses_its_own(tmp_path: Path) -> None:
    shared = load_settings().cache
    jars.fetch(shared, [jars.KAFKA])
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "jars").symlink_to(shared / "jars")
    settings = Settings(home=tmp_path / "home", cache=cache)
    (archive,) = class_data.missing(settings, [jars.KAFKA])
    assert class_data.make(settings, archive) > 20_000_000
    assert class_data.missing(settings, [jars.KAFKA]) == []
    assert not (tmp_path / "home").exists()
    java = find_java(cache)
    command = [str(java.executable), *archive.flags(), "-Xlog:class+load", "-cp"]
    command += [jars.classpath(cache, [jars.KAFKA]), "kafka.tools.StorageTool", "random-uuid"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert any("kafka.utils." in line and FROM_ARCHIVE in line for line in told.splitlines())
