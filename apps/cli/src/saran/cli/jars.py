"""The jars of the broker, of its tools and of Spark's connectors and S3 client: recorded, fetched once, checked.

`requirements/jars.lock` holds one line a jar: group, organisation:name:version, SHA-256, bytes. They are
fetched by Apache Ivy, which comes with pyspark, from Maven's central repository or from SARAN_JAR_MIRROR.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import re
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from saran.cli.java import Java, find_java, network_options
from saran.core.errors import SaranError
from saran.core.settings import CHECKOUT

LOCK: Final = CHECKOUT / "requirements" / "jars.lock"

KAFKA: Final = "kafka"
TOOLS: Final = "tools"
SPARK: Final = "spark"
S3: Final = "s3"

_HEADER: Final = "# group organisation:name:version sha256 bytes; written by `make lock-jars`\n"
_PATTERN: Final = "[organisation]/[module]/[revision]/[artifact]-[revision].[ext]"
_log = logging.getLogger(__name__)

Progress = Callable[["Jar"], None]
"""Called for each jar that has arrived."""


@dataclass(frozen=True, order=True)
class Jar:
    """One jar of the lock file; `size` is bytes."""

    group: str
    organisation: str
    name: str
    version: str
    sha256: str
    size: int

    @property
    def coordinate(self) -> str:
        return f"{self.organisation}:{self.name}:{self.version}"

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}.jar"

    @property
    def retrieved(self) -> str:
        """Where `_PATTERN` puts it."""
        return f"{self.organisation}/{self.name}/{self.version}/{self.file}"

    def line(self) -> str:
        return f"{self.group} {self.coordinate} {self.sha256} {self.size}\n"


def read_lock(path: Path = LOCK) -> tuple[Jar, ...]:
    """The jars of a lock file. Raises SaranError naming file and line when one cannot be read."""
    if not path.exists():
        raise SaranError(f"{path} is missing", fix="run saran from a checkout, or restore the file")
    jars = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\w+) ([^:\s]+):([^:\s]+):([^:\s]+) ([0-9a-f]{64}) (\d+)", line)
        if match is None:
            raise SaranError(f"{path}:{number} is no jar: {line!r}", fix="write it anew with `make lock-jars`")
        group, organisation, name, version, sha256, size = match.groups()
        jars.append(Jar(group, organisation, name, version, sha256, int(size)))
    return tuple(jars)


def folder(cache: Path, group: str) -> Path:
    """Where the jars of a group are kept."""
    return cache / "jars" / group


def missing(cache: Path, groups: Iterable[str], *, lock: Path = LOCK) -> list[Jar]:
    """The jars of `groups` that are not in the cache, by name and size; contents are checked when they arrive."""
    wanted = set(groups)
    return [jar for jar in read_lock(lock) if jar.group in wanted and not _held(cache, jar)]


def classpath(cache: Path, groups: Iterable[str], *, lock: Path = LOCK) -> str:
    """The class path of `groups`: exactly the locked jars, whatever else lies in the folders."""
    wanted = set(groups)
    return os.pathsep.join(str(folder(cache, jar.group) / jar.file) for jar in read_lock(lock) if jar.group in wanted)


def verify(cache: Path, groups: Iterable[str], *, lock: Path = LOCK) -> list[str]:
    """What is wrong with the cached jars of `groups`, reading every byte; empty when all is well."""
    wanted = set(groups)
    problems = []
    for jar in read_lock(lock):
        if jar.group not in wanted:
            continue
        path = folder(cache, jar.group) / jar.file
        if not path.exists():
            problems.append(f"{path} is missing")
        elif (got := _sha256(path)) != jar.sha256:
            problems.append(f"{path} has SHA-256 {got}, expected {jar.sha256}")
    return problems


def fetch(
    cache: Path, groups: Iterable[str], *, lock: Path = LOCK, java: Java | None = None, progress: Progress | None = None
) -> int:
    """Bring the missing jars of `groups` into the cache; the number fetched. Starts no Java when none is missing.

    Raises SaranError when a jar cannot be had or is not the one recorded.
    """
    wanted = set(groups)
    absent = missing(cache, wanted, lock=lock)
    if absent:
        with _workplace(cache) as workplace:
            module = _module(_dependency(jar.organisation, jar.name, jar.version) for jar in absent)
            by_coordinate = {jar.coordinate: jar for jar in absent}

            def arrived(coordinate: str) -> None:
                if progress and coordinate in by_coordinate:
                    progress(by_coordinate[coordinate])

            _run_ivy(java or find_java(cache), cache, Path(workplace), module, _settings(poms=False), arrived)
            for jar in absent:
                _install(cache, jar, Path(workplace) / "out" / jar.retrieved)
    _prune(cache, wanted, lock)
    return len(absent)


ROOTS: Final[dict[str, tuple[str, ...]]] = {
    KAFKA: ("org.apache.kafka:kafka_2.13:4.3.1", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"),
    TOOLS: ("org.apache.kafka:kafka-tools:4.3.1",),
    SPARK: (
        "io.delta:delta-spark_4.2_2.13:4.4.0",
        "io.delta:delta-storage:4.4.0",
        "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0",
        "org.apache.spark:spark-token-provider-kafka-0-10_2.13:4.0.0",
        "org.apache.kafka:kafka-clients:3.9.2",
        "org.apache.commons:commons-pool2:2.12.1",
    ),
    S3: (
        "org.apache.hadoop:hadoop-aws:3.5.0",
        "software.amazon.awssdk:s3:2.35.4",
        "software.amazon.awssdk:s3-transfer-manager:2.35.4",
        "software.amazon.awssdk:sts:2.35.4",
        "software.amazon.awssdk:apache-client:2.35.4",
        "software.amazon.awssdk:netty-nio-client:2.35.4",
        "software.amazon.s3.analyticsaccelerator:analyticsaccelerator-s3:1.3.1",
    ),
}
"""What each group is resolved from. Only dependencies of the broker and of Amazon's SDK are followed: Spark's are in
pyspark, of Kafka's tools the benchmark starts one that needs nothing which the broker has not, and hadoop-aws names
the whole SDK in one jar of 686 MB, of which it uses five modules."""

_FOLLOWED: Final = {KAFKA: ("",), S3: ("software.amazon.awssdk:",)}
"""Beginnings of the roots whose dependencies are followed."""

_KEPT: Final = {S3: ("org.apache.hadoop", "org.reactivestreams", "software.amazon.")}
"""Beginnings of the organisations whose jars are kept, where not all are: the others are among Spark's own."""


def write_lock(cache: Path, lock: Path = LOCK) -> tuple[Jar, ...]:
    """Resolve ROOTS anew, write the lock file and return its jars. Raises SaranError when one cannot be resolved."""
    java = find_java(cache)
    jars: list[Jar] = []
    for group, roots in ROOTS.items():
        with _workplace(cache) as workplace:
            followed = _FOLLOWED.get(group, ())
            module = _module(_root_dependency(root, transitive=root.startswith(followed)) for root in roots)
            _run_ivy(java, cache, Path(workplace), module, _settings(poms=bool(followed)))
            out = Path(workplace) / "out"
            for path in out.rglob("*.jar"):
                organisation, name, version, _ = path.relative_to(out).parts
                if not organisation.startswith(_KEPT.get(group, ("",))):
                    continue
                jars.append(Jar(group, organisation, name, version, _sha256(path), path.stat().st_size))
    files = [(jar.group, jar.file) for jar in jars]
    if len(set(files)) != len(files):
        raise SaranError("two jars of one group share a file name", fix="exclude one of them in ROOTS")
    lock.write_text(_HEADER + "".join(jar.line() for jar in sorted(jars)))
    return tuple(sorted(jars))


def _held(cache: Path, jar: Jar) -> bool:
    path = folder(cache, jar.group) / jar.file
    return path.exists() and path.stat().st_size == jar.size


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _install(cache: Path, jar: Jar, arrived: Path) -> None:
    if not arrived.exists():
        raise SaranError(
            f"{jar.coordinate} did not arrive", fix="try again; `saran doctor` checks the network settings"
        )
    if (got := _sha256(arrived)) != jar.sha256:
        arrived.unlink()
        raise SaranError(
            f"{jar.file} is not the jar that {LOCK.name} records and was deleted: "
            f"expected SHA-256 {jar.sha256}, got {got}",
            fix="try again, or choose another source with SARAN_JAR_MIRROR: a proxy or mirror changed the file",
        )
    target = folder(cache, jar.group) / jar.file
    target.parent.mkdir(parents=True, exist_ok=True)
    arrived.replace(target)


def _prune(cache: Path, groups: set[str], lock: Path) -> None:
    """Delete jars of earlier lock files: Spark is given the folder, and must not see two versions."""
    known = {(jar.group, jar.file) for jar in read_lock(lock)}
    for group in groups:
        for path in folder(cache, group).glob("*.jar"):
            if (group, path.name) not in known:
                _log.info("%s is in no lock file any more: deleted", path)
                path.unlink()


def _workplace(cache: Path) -> tempfile.TemporaryDirectory[str]:
    (cache / "jars").mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache / "jars")


def _root_dependency(coordinate: str, *, transitive: bool) -> str:
    organisation, name, version = coordinate.split(":")
    return _dependency(organisation, name, version, transitive=transitive)


def _dependency(organisation: str, name: str, version: str, *, transitive: bool = False) -> str:
    return (
        f"<dependency org={quoteattr(organisation)} name={quoteattr(name)} rev={quoteattr(version)} "
        f'conf="default-&gt;default{",runtime" if transitive else ""}" transitive="{str(transitive).lower()}"/>'
    )


def _module(dependencies: Iterable[str]) -> str:
    return (
        '<ivy-module version="2.0"><info organisation="saran" module="jars"/>'
        f'<configurations><conf name="default"/></configurations><dependencies>{"".join(dependencies)}</dependencies>'
        "</ivy-module>"
    )


def _settings(*, poms: bool) -> str:
    """Ivy's settings. Without POMs a jar is one request: what depends on what is known from the lock file."""
    mirror = os.environ.get("SARAN_JAR_MIRROR", "")
    root = f" root={quoteattr(mirror.rstrip('/') + '/')}" if mirror else ""
    lean = "" if poms else ' usepoms="false" useMavenMetadata="false" checksums=""'
    # Two groups may want two versions of one jar; without POMs nothing else can conflict.
    conflicts = "" if poms else ' defaultConflictManager="all"'
    return (
        f'<ivysettings><settings defaultResolver="jars"{conflicts}/>'
        '<timeout-constraints><timeout-constraint name="net" connectionTimeout="15000" readTimeout="60000"/>'
        "</timeout-constraints>"
        f'<resolvers><ibiblio name="jars" m2compatible="true" timeoutConstraint="net"{root}{lean}/></resolvers>'
        "</ivysettings>"
    )


def _run_ivy(
    java: Java, cache: Path, workplace: Path, module: str, settings: str, arrived: Callable[[str], None] | None = None
) -> None:
    """Run Ivy; `arrived` gets each jar's `organisation:name:version`. Raises SaranError with Ivy's reason."""
    (workplace / "ivy.xml").write_text(module)
    (workplace / "settings.xml").write_text(settings)
    command = [
        str(java.executable),
        "-XX:TieredStopAtLevel=1",
        *network_options(java, cache),
        *("-cp", str(_ivy_jar()), "org.apache.ivy.Main"),
        *("-settings", str(workplace / "settings.xml"), "-cache", str(workplace / "cache")),
        *("-ivy", str(workplace / "ivy.xml"), "-types", "jar", "bundle"),
        *("-retrieve", str(workplace / "out" / _PATTERN)),
    ]
    reasons: deque[str] = deque(maxlen=6)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as ivy:
        try:
            for line in ivy.stdout or ():
                if match := re.search(r"\[SUCCESSFUL ] (\S+?)#(\S+?);([^!]+)!", line):
                    if arrived:
                        arrived(":".join(match.groups()))
                elif re.search(r"not found|FAILED|error|exception|UNRESOLVED|timed out|certification", line, re.I):
                    reasons.append(line.strip())
        except BaseException:
            ivy.kill()
            raise
    if ivy.returncode:
        why = "; ".join(dict.fromkeys(reasons)) or "no reason given"
        raise SaranError(
            f"the jars could not be fetched (Ivy ended with {ivy.returncode}): {why}",
            fix="check the network; behind a proxy set HTTPS_PROXY or SARAN_JAVA_OPTS (-Dhttps.proxyHost=…), "
            "with an own certificate SSL_CERT_FILE; a mirror with Maven's layout goes into SARAN_JAR_MIRROR",
        )


def _ivy_jar() -> Path:
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise SaranError("pyspark is not installed", fix="run `make setup`")
    found = sorted((Path(spec.origin).parent / "jars").glob("ivy-*.jar"))
    if not found:
        raise SaranError(f"pyspark in {Path(spec.origin).parent} has no Ivy jar", fix="run `make clean-all setup`")
    return found[-1]
