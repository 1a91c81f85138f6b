"""Which stand-ins there are, and the making of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from saran.core.datasets import SYNTHETIC_MARKER
from saran.core.errors import SaranError
from saran.producer import interactions
from saran.producer.synthetic import amazon, movies, retailrocket
from saran.producer.synthetic.files import Written

MAKERS: Final[dict[str, Callable[[int, int, Path], list[Written]]]] = {
    "retailrocket": retailrocket.synthesise,
    "amazon": amazon.synthesise,
    "movies": movies.synthesise,
}

DEFAULT_ROWS: Final = {"retailrocket": interactions.ROWS, "amazon": 100_000, "movies": 10_000}


def synthesise(dataset: str, out: Path, *, rows: int | None = None, seed: int = 1) -> list[Written]:
    """Write a stand-in of `dataset` to the folder `out`, made when missing.

    Raises SaranError when there is no such stand-in, the number of rows does not fit, or `out` holds other data.
    """
    maker = MAKERS.get(dataset)
    if maker is None:
        raise SaranError(f"there is no stand-in for {dataset!r}", fix=f"choose one of {', '.join(MAKERS)}")
    _claim(out)
    try:
        return maker(DEFAULT_ROWS[dataset] if rows is None else rows, seed, out)
    except ValueError as error:
        raise SaranError(str(error)) from error


def _claim(out: Path) -> None:
    """Never write over files that are not a stand-in: they may be the real, downloaded ones."""
    if out.is_dir() and any(out.iterdir()) and not (out / SYNTHETIC_MARKER).exists():
        raise SaranError(
            f"{out} holds files that are no stand-in", fix="give an empty or new folder with --out, or empty this one"
        )
    out.mkdir(parents=True, exist_ok=True)
