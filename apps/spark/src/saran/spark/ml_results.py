"""What batch models say, as files that any tool opens: <lakehouse>/ml_results/NAME.parquet.

The tables of gold hold the same and are what Saran reads; these are for who expects files, and are replaced whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from saran.core.names import Bucket
from saran.core.s3 import Location, open_output
from saran.core.settings import Settings

FOLDER: Final = "ml_results"
CONTENT_BASED: Final = "content_based"
COLLABORATIVE: Final = "collaborative"
CLASSIFICATION: Final = "classification"


def result_file(settings: Settings, name: str) -> Location:
    """Where the results `name` are."""
    return settings.locate(settings.bucket(Bucket.LAKEHOUSE)) / FOLDER / f"{name}.parquet"


def write_results(settings: Settings, name: str, rows: pa.Table) -> None:
    """Replace the file `name` in one step that a reader cannot see half of."""
    place = result_file(settings, name)
    place.parent.mkdir(parents=True, exist_ok=True)
    on_disk = isinstance(place, Path)
    written = place.parent / f".{name}.part" if on_disk else place
    with open_output(written) as file:
        pq.write_table(rows, file)
    if isinstance(written, Path) and isinstance(place, Path):
        written.replace(place)
