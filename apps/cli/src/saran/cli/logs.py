"""`saran logs`: the ends of the parts' log files, and what is added to them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, TextIO

from rich.markup import escape

from saran.cli.console import out
from saran.core.errors import SaranError
from saran.core.settings import load_settings

_POLL_SECONDS: Final = 0.25
_TAIL_BYTES_A_LINE: Final = 400


def show_logs(part: str | None, *, follow: bool, lines: int) -> None:
    """Print the last `lines` lines of a part's log (of each part's when None), then go on while `follow`."""
    folder = load_settings().home / "logs"
    names = [part] if part else sorted(path.stem for path in folder.glob("*.log"))
    files = {name: folder / f"{name}.log" for name in names}
    absent = [name for name, path in files.items() if not path.exists()]
    if absent or not files:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log"))) or "none yet"
        raise SaranError(
            f"no log of {', '.join(absent) or 'any part'} in {folder}",
            fix=f"start it with `saran up`; logs here: {known}",
        )
    width = max(map(len, names)) if len(names) > 1 else 0
    # Measured before the ends are shown: nothing that comes in between is skipped.
    sizes = {name: path.stat().st_size for name, path in files.items()}
    for name, path in files.items():
        for line in tail(path, lines, size=sizes[name]):
            _show(name, line, width)
    if follow:
        _follow(files, sizes, width)


def tail(path: Path, lines: int, *, size: int | None = None) -> list[str]:
    """The last `lines` lines of a file's first `size` bytes (all when None), reading little more than those."""
    if lines == 0:
        return []
    with path.open("rb") as file:
        size = file.seek(0, 2) if size is None else size
        span = lines * _TAIL_BYTES_A_LINE
        while True:
            file.seek(max(0, size - span))
            found = file.read(min(span, size)).decode(errors="replace").splitlines()
            if len(found) > lines or span >= size:
                return found[-lines:]
            span *= 4


def _follow(files: dict[str, Path], sizes: dict[str, int], width: int) -> None:
    open_files: dict[str, TextIO] = {}
    for name, path in files.items():
        open_files[name] = path.open(errors="replace")
        open_files[name].seek(sizes[name])
    try:
        while True:
            quiet = True
            for name, path in files.items():
                while line := open_files[name].readline():
                    quiet = False
                    _show(name, line.rstrip("\n"), width)
                if path.exists() and path.stat().st_size < open_files[name].tell():  # moved aside, begun anew
                    open_files[name].close()
                    open_files[name] = path.open(errors="replace")
            if quiet:
                time.sleep(_POLL_SECONDS)
    finally:
        for file in open_files.values():
            file.close()


def _show(name: str, line: str, width: int) -> None:
    out.print(f"[cyan]{name:<{width}}[/cyan] {escape(line)}" if width else escape(line))
