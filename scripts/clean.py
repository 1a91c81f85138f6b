"""Removes what checks and tests leave; with --all everything that the platform ever made. Standard library only.

Of a home or a cache that was named, only what Saran puts there goes. What else is there stays, and its folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache")
LEFTOVERS = (*CACHES, "build", "dist", "spark-warehouse", "metastore_db", "derby.log")
HOME = (
    *("run", "logs", "data", "kafka", "postgres", "ingest", "secrets", "synthetic", "mlflow", "queries", "explore"),
    "demo.json",
)
"""What the platform makes in a home."""
CACHE = ("jars", "java")
"""What it makes in the cache."""


def leftovers() -> Iterator[Path]:
    """What tools leave in the source tree."""
    yield from (ROOT / name for name in LEFTOVERS)
    for folder in ("libs", "apps", "tests", "bench", "scripts"):
        for pattern in ("__pycache__", "*.egg-info"):
            yield from (ROOT / folder).rglob(pattern)


def main() -> int:
    for path in leftovers():
        remove(path)
    if "--all" not in sys.argv[1:]:
        return 0
    default = ROOT / ".saran"
    home = folder(os.environ.get("SARAN_HOME") or default)
    # Each data set of the demo has a home of its own inside the first one.
    homes = [lock.parent.parent for lock in (*sorted(home.glob("*/run/lock")), home / "run" / "lock")]
    if running := [str(one) for one in homes if runs(one)]:
        print(f"the platform still runs in {', '.join(running)}: stop it with `saran down --home DIR`", file=sys.stderr)
        return 1
    remove(ROOT / ".venv")
    remove(ROOT / ".venv-mlflow")
    remove(default)
    for one in homes:
        clear_home(one)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    clear(folder(os.environ.get("SARAN_CACHE") or Path(base) / "saran"), CACHE)
    return 0


def runs(home: Path) -> bool:
    """Whether a supervisor holds the home's lock."""
    lock = home / "run" / "lock"
    if not lock.is_file():
        return False
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def folder(given: str | Path) -> Path:
    return Path(given).expanduser().resolve()


def clear_home(home: Path) -> None:
    """Clear a home in which a supervisor has run; any other folder is somebody else's."""
    if (home / "run" / "lock").is_file():
        clear(home, HOME)
    elif home.exists():
        print(f"left alone: {home} does not look like Saran's", file=sys.stderr)


def clear(place: Path, names: tuple[str, ...]) -> None:
    """Remove what is called `names` in a folder, and the folder when nothing else is in it."""
    for name in names:
        remove(place / name)
    if place.is_dir() and not (others := sorted(path.name for path in place.iterdir())):
        remove(place)
    elif place.is_dir():
        print(f"left alone: {', '.join(others)} in {place}", file=sys.stderr)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()
    else:
        return
    print(f"removed {path}")


if __name__ == "__main__":
    sys.exit(main())
