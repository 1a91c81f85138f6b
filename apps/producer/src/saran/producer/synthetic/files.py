"""What every stand-in shares: its folder, its marker, and its summary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from saran.core.datasets import SYNTHETIC_MARKER


@dataclass(frozen=True)
class Written:
    """One file of a stand-in."""

    file: str
    rows: int
    bytes: int


def write_csv(frame: pl.DataFrame, path: Path) -> Written:
    """Write a frame as the data set's own CSV: header line, commas, quotes only where needed, \\n."""
    frame.write_csv(path)
    return Written(path.name, frame.height, path.stat().st_size)


def mark_synthetic(folder: Path, dataset: str, seed: int, written: list[Written], calibration: str) -> None:
    """Leave SYNTHETIC_MARKER in the folder: readers call the data synthetic because of it."""
    rows = "\n".join(f"| {one.file} | {one.rows:,} |" for one in written)
    text = (
        f"# Synthetic stand-in for {dataset}\n\n"
        f"Made by `saran synthesise {dataset} --seed {seed}`. Every row is made up; only columns and statistics\n"
        "follow the real files. It is for load and function and says nothing about the quality of a model.\n"
        "Keep this file beside the data: Saran shows the data as synthetic because of it.\n\n"
        f"{calibration}\n\n| file | rows |\n|---|---|\n{rows}\n"
    )
    (folder / SYNTHETIC_MARKER).write_text(text, encoding="utf-8")
