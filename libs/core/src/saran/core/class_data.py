"""Archives of classes as a Java has loaded them (class data sharing), which make its next start seconds shorter.

Java passes over an archive of other jars or another version, but Java 17 crashes on one that was cut off: a file's
name tells its size, and one of another size is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from saran.core.errors import SaranError
from saran.core.settings import Settings

SPARK: Final = "spark"
_WARM_UP: Final = 1
"""To be raised when a warm-up changes: archives are then made anew."""
_QUIET: Final = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off")
"""Java tells of an archive that it passes over."""
_ERRORS: Final = ("-Xlog:cds=error", "-Xlog:cds+dynamic=error")
"""It also tells of each class that it cannot put in one."""


@dataclass(frozen=True)
class ClassData:
    """The archive of one program: its file is `<name>-<key>-<bytes>.jsa` in `folder`."""

    folder: Path
    name: str
    key: str

    def file(self) -> Path | None:
        """The archive, or None while there is no whole one."""
        for path in self.folder.glob(f"{self.name}-{self.key}-*.jsa"):
            with contextlib.suppress(FileNotFoundError):
                if path.name == self._file_name(path.stat().st_size):
                    return path
        return None

    def flags(self) -> tuple[str, ...]:
        """Flags by which Java uses the archive; none while there is none."""
        path = self.file()
        return () if path is None else (f"-XX:SharedArchiveFile={path}", *_QUIET)

    @contextlib.contextmanager
    def making(self) -> Iterator[Path]:
        """Gives the file that a Java, which must have ended with the block, writes by `making_flags`.

        It becomes the archive in the place of all earlier ones of this name when the block ends without an exception.
        Raises SaranError when Java has not written it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"{self.name}.{os.getpid()}.unfinished"
        unfinished.unlink(missing_ok=True)
        try:
            yield unfinished
            if not unfinished.exists():
                raise SaranError(
                    "Java wrote no archive of its classes",
                    fix="use a Java that has an archive of its own ones (lib/server/classes.jsa)",
                )
            made = unfinished.replace(self.folder / self._file_name(unfinished.stat().st_size))
        finally:
            unfinished.unlink(missing_ok=True)
        for other in self.folder.glob(f"{self.name}-*.jsa"):
            if other != made:
                other.unlink(missing_ok=True)

    def _file_name(self, size: int) -> str:
        return f"{self.name}-{self.key}-{size}.jsa"


def making_flags(unfinished: Path) -> tuple[str, ...]:
    """Flags by which Java writes the archive as it ends."""
    return (f"-XX:ArchiveClassesAtExit={unfinished}", *_ERRORS)


def class_data(cache: Path, name: str, java_home: Path, jars: Iterable[Path]) -> ClassData:
    """The archive of a program by the Java that it runs on and the jars of its class path."""
    home = java_home.resolve()
    release = home / "release"
    told = [str(_WARM_UP), str(home), release.read_text(errors="replace") if release.exists() else ""]
    for jar in jars:
        # Java compares both, too, and would pass over the archive.
        found = jar.stat()
        told.append(f"{jar} {found.st_size} {found.st_mtime_ns}")
    return ClassData(cache / "java", name, hashlib.sha256("\n".join(told).encode()).hexdigest()[:12])


def spark_class_data(settings: Settings, environment: Mapping[str, str] = os.environ) -> ClassData | None:
    """The archive of Spark's drivers; None when Spark or the Java that would run it is not to be found."""
    spec = importlib.util.find_spec("pyspark")
    home = java_home(environment)
    if spec is None or spec.origin is None or home is None:
        return None
    connectors = settings.spark_jars or settings.cache / "jars" / SPARK
    own = Path(spec.origin).parent / "jars"
    jars = (*sorted(connectors.glob("*.jar")), *sorted(own.glob("*.jar")))
    return class_data(settings.cache, SPARK, home, jars)


def java_home(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Home of the Java that Spark starts: JAVA_HOME's, else the one on PATH; None without either."""
    if given := environment.get("JAVA_HOME"):
        return Path(given)
    on_path = shutil.which("java", path=environment.get("PATH"))
    return Path(on_path).resolve().parents[1] if on_path else None
