"""What a backup copies of files, in an order that makes it whole while everything runs.

`ingest` commits bronze, then rejected, then silver; so silver is pinned first, then rejected, then bronze, and the copy
is a state in which ingest could have been stopped: bronze is never behind silver. Each table's offsets are inside it.
What is made of a table is looked at before it: the id index (never ahead of silver), models, then gold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable

from saran.core.errors import SaranError
from saran.core.names import Bucket, Table
from saran.core.s3 import Location, S3Path
from saran.core.settings import Settings
from saran.core.stored_files import StoredFile, below, files_below
from saran.core.versions import CHAMPION, MANIFEST
from saran.spark.backup.manifest import TableVersion
from saran.spark.registry import RECORD
from saran.spark.tables import open_table

INDEX: Final = "ingest"
LOG: Final = "_delta_log"
_UNREADABLE: Final = {"deletionVectors", "v2Checkpoint"}
"""Features of Delta by which a version needs files that its list of data files does not name."""

_LOG_FILE: Final = re.compile(r"(\d{20})\.(json|checkpoint\.parquet)")
_CHECKPOINT: Final = ".checkpoint.parquet"
_SEGMENT: Final = ".ids"
_DEPTH: Final = 2
"""Slashes of a model's file, `<model>/<version>/<file>`, at least."""

_NANOSECONDS: Final = 1_000_000
"""In a millisecond, by which Delta's log counts."""


@dataclass(frozen=True)
class Source:
    """A file to copy to `path` of a backup: one that never changes, or as `content` a small one that may."""

    path: str
    size: int
    modified: int
    place: Location
    content: bytes | None = None
    may_vanish: bool = False


@dataclass(frozen=True)
class PinnedTable:
    """A table at one version, whatever is committed later."""

    name: str
    delta: DeltaTable
    folder: Location

    @property
    def version(self) -> TableVersion:
        """Number and rows."""
        return TableVersion(version=int(self.delta.version()), rows=int(self.delta.count()))

    def sources(self) -> Iterator[Source]:
        """The data files of the version, then the log that leads to it."""
        prefix = f"{Bucket.LAKEHOUSE}/{self.name.replace('.', '/', 1)}"
        files = pa.table(self.delta.get_add_actions(flatten=True)).select(["path", "size_bytes", "modification_time"])
        for path, size, modified in zip(*(column.to_pylist() for column in files.columns), strict=True):
            # Data files never change: the log's own time is the same wherever the file lies.
            yield Source(f"{prefix}/{path}", int(size), int(modified) * _NANOSECONDS, below(self.folder, path))
        for file in log_files(self.folder / LOG, int(self.delta.version())):
            yield _unchanging(f"{prefix}/{LOG}", file)


def index_folder(settings: Settings) -> Location:
    """Where the id indexes are that outlive a driver: see saran.spark.id_index."""
    bucket = settings.locate(settings.bucket(Bucket.CHECKPOINTS))
    return bucket / INDEX if isinstance(bucket, S3Path) else settings.home / INDEX


def log_files(folder: Location, version: int) -> list[StoredFile]:
    """What of a log leads to `version`: the newest checkpoint up to it, and the commits from there on."""
    found = [(int(match[1]), file) for file in files_below(folder) if (match := _LOG_FILE.fullmatch(file.name))]
    checkpoints = [number for number, file in found if number <= version and file.name.endswith(_CHECKPOINT)]
    first = max(checkpoints, default=0)
    return [file for number, file in found if first <= number <= version]


def pin_tables(settings: Settings) -> list[PinnedTable]:
    """Every table that there is, in the order in which it is safe to look at them.

    Raises SaranError for a table that cannot be copied by its list of files.
    """
    pinned = []
    for name in sorted(_tables(), key=_rank):
        if (delta := open_table(settings, name)) is not None:
            if hindrance := _UNREADABLE & set(delta.protocol().reader_features or ()):
                raise SaranError(
                    f"{name} has Delta's {', '.join(sorted(hindrance))}, which a backup does not know",
                    fix="run REORG TABLE … APPLY (PURGE) on it and drop the feature",
                )
            pinned.append(PinnedTable(name, delta, settings.table_folder(name)))
    return pinned


def model_sources(models: Location) -> tuple[list[Source], dict[str, str]]:
    """Files of the complete versions, then the files beside versions as they are now; and the champions by model.

    A version is complete when it has its manifest, and never changes; a file beside versions, as a champion's, may.
    The record of what MLflow was told is left out: without it, MLflow is asked, and told again what it has lost.
    """
    small = [file for file in files_below(models) if file.name.count("/") < _DEPTH and file.place.name != RECORD]
    beside = [inline(Bucket.MODELS, file) for file in small]
    files = [file for file in files_below(models) if file.name.count("/") >= _DEPTH]
    complete = {_version(file) for file in files if file.name == f"{_version(file)}/{MANIFEST}"}
    versions = [_unchanging(Bucket.MODELS, file) for file in files if _version(file) in complete]
    champions = {
        source.path.split("/")[1]: source.content.decode().strip()
        for source in beside
        if source.content is not None and source.place.name == CHAMPION
    }
    return [*versions, *beside], champions


def index_sources(folder: Location) -> list[Source]:
    """Segments of the id indexes, and the manifests that name them, as they are now.

    An index is a cache: if a merge removes a segment meanwhile, the copy is of no use, and made anew from its table.
    """
    manifests = [inline(INDEX, file) for file in files_below(folder) if file.place.name == MANIFEST]
    segments = [_unchanging(INDEX, file) for file in files_below(folder) if file.name.endswith(_SEGMENT)]
    return [*(replace(segment, may_vanish=True) for segment in segments), *manifests]


def inline(prefix: str, file: StoredFile) -> Source:
    """A small file with what it says now."""
    content = file.place.read_bytes()
    return Source(f"{prefix}/{file.name}", len(content), file.modified, file.place, content)


def _unchanging(prefix: str, file: StoredFile) -> Source:
    return Source(f"{prefix}/{file.name}", file.size, file.modified, file.place)


def _version(file: StoredFile) -> str:
    """`<model>/<version>` of a file of a version."""
    return "/".join(file.name.split("/")[:_DEPTH])


def _rank(table: str) -> tuple[int, str]:
    layers = ("gold", "silver", Table.SILVER_REJECTED, "bronze")
    return layers.index(table if table in layers else table.split(".", maxsplit=1)[0]), table


def _tables() -> list[str]:
    return [name for key, name in vars(Table).items() if key.isupper()]
