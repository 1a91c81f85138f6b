"""What a backup holds: `LOCATION/<backup>/manifest.json`, written last. A folder without one is no backup.

    LOCATION/20261128T005935.123Z/manifest.json
                                  lakehouse/silver/events/part-….parquet, _delta_log/…
                                  models/recommender/champion, <version>/…
                                  ingest/event-ids/…
                                  database/online.user_history.copy.zstd

A manifest names every file that is needed, also those that lie in an earlier backup's folder, because they are what
they were then. So each backup is whole by itself, and costs only what is new.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saran.core.errors import SaranError
from saran.core.s3 import Location
from saran.core.stored_files import below

MANIFEST: Final = "manifest.json"
_NAME: Final = re.compile(r"\d{8}T\d{6}\.\d{3}Z")


class Entry(BaseModel):
    """One file as it was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    size: int
    sha256: str
    modified: int = Field(description="Of the original, in nanoseconds since 1970; with its size it tells a change")
    backup: str = Field(description="The backup in whose folder the file lies")

    def place(self, location: Location) -> Location:
        """Where it lies below the place of all backups."""
        return below(location / self.backup, self.path)


class TableVersion(BaseModel):
    """A Delta table as it was copied."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    rows: int


class Dump(BaseModel):
    """Rows of a table of the database, in PostgreSQL's text format of COPY, compressed by zstd."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str
    columns: list[str]
    rows: int
    path: str


class Manifest(BaseModel):
    """One backup."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = 1
    name: str
    began_at: datetime = Field(description="Nothing that came before is missing")
    finished_at: datetime
    dataset: str
    tables: dict[str, TableVersion]
    champions: dict[str, str] = Field(description="Model → the version that was served")
    dumps: list[Dump] = Field(description="In an order in which rows can be put back")
    copied_bytes: int = Field(description="What this backup added to its place")
    files: list[Entry]

    @property
    def bytes(self) -> int:
        """Of all its files, wherever they lie."""
        return sum(file.size for file in self.files)


def name_of(moment: datetime) -> str:
    """The name of a backup that began at `moment`, which is UTC. Names are in order of time."""
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z"


def folders(location: Location) -> list[str]:
    """Names of all folders of backups at `location`, half-written ones too, oldest first."""
    try:
        return sorted(folder.name for folder in location.iterdir() if _NAME.fullmatch(folder.name))
    except FileNotFoundError:
        return []


def backups(location: Location) -> list[str]:
    """Names of the backups at `location`, oldest first."""
    return [name for name in folders(location) if (location / name / MANIFEST).exists()]


def read_manifest(location: Location, name: str = "") -> Manifest:
    """The backup `name`, the newest when empty. Raises SaranError when there is none, or it cannot be read."""
    known = backups(location)
    if not known:
        raise SaranError(
            f"there is no backup at {location}", fix="make one with `saran backup create`, or look elsewhere"
        )
    if name and name not in known:
        raise SaranError(f"there is no backup {name} at {location}", fix="choose one that `saran backup list` shows")
    file = location / (name or known[-1]) / MANIFEST
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise SaranError(f"{file} cannot be read: {error}", fix="take an earlier backup") from error
