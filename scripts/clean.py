"""Removes what checks and tests leave; with --all everything that the platform ever made. Standard library only."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache")
LEFTOVERS = (*CACHES, "build", "dist", "spark-warehouse", "metastore_db", "derby.log")


def leftovers() -> Iterator[Path]:
    """What tools leave in the source tree."""
    yield from (ROOT / name for name in LEFTOVERS)
    for folder in ("libs", "apps", "tests", "bench", "scripts"):
        for pattern in ("__pycache__", "*.egg-info"):
            yield from (ROOT / folder).rglob(pattern)


def possessions() -> Iterator[Path]:
    """What setup and the platform made: environment, home, cache. A folder that does not look like one is left."""
    yield ROOT / ".venv"
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    for folder, inside in (
        (Path(os.environ.get("SARAN_HOME") or ROOT / ".saran"), ("run", "logs", "data")),
        (Path(os.environ.get("SARAN_CACHE") or Path(base) / "saran"), ("jars", "java")),
    ):
        path = folder.expanduser().resolve()
        if any((path / name).is_dir() for name in inside):
            yield path
        elif path.exists():
            print(f"left alone: {path} does not look like Saran's", file=sys.stderr)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()
    else:
        return
    print(f"removed {path}")


def main() -> None:
    for path in [*leftovers(), *(possessions() if "--all" in sys.argv[1:] else ())]:
        remove(path)


if __name__ == "__main__":
    main()
