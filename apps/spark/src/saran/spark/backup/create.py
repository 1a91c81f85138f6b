"""Makes a backup of everything that cannot be made again, while the platform runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import psycopg

from saran.core.errors import SaranError
from saran.core.s3 import Location, replace_text
from saran.core.settings import Settings
from saran.core.stored_files import below, checksum
from saran.spark.backup import contents, database
from saran.spark.backup.copies import Writer
from saran.spark.backup.manifest import MANIFEST, Dump, Entry, Manifest, backups, name_of, read_manifest
from saran.spark.backup.unfinished import require_finished

_log = logging.getLogger(__name__)

Watch = Callable[[str, int, int], None]
"""Called with what is done now, and bytes done of how many."""

_NOTHING: Final = "there is nothing to back up: no table, no model"


def create(settings: Settings, location: Location, watch: Watch) -> Manifest:
    """Make a backup at `location`; complete when this returns, and none when it raises.

    Raises SaranError when there is nothing to copy, a restore has not ended, or what it builds on was removed; OSError
    and psycopg.Error when store or database fail.
    """
    require_finished(settings)
    began = datetime.now(UTC)
    known = backups(location)
    base = read_manifest(location) if known else None
    name = name_of(began)
    writer = Writer(location, name, {} if base is None else {entry.path: entry for entry in base.files})

    # In this order: what is made of something is looked at before it. See saran.spark.backup.contents.
    watch("id index", 0, 0)
    files = writer.add(contents.index_sources(contents.index_folder(settings)), lambda size: None)
    watch("database", 0, 0)
    dumps = _dump(settings, location / name)
    files += [_entry(location, name, dumped, began) for dumped in dumps]
    models, champions = contents.model_sources(settings.models_path)
    tables = contents.pin_tables(settings)
    if not tables and not models:
        raise SaranError(_NOTHING, fix="see that SARAN_HOME, or the store, is the one that is meant")
    sources = [*models, *(source for table in tables for source in table.sources())]
    total, done = sum(source.size for source in sources), 0

    def copied(size: int) -> None:
        nonlocal done
        done += size
        watch("tables and models", done, total)

    watch("tables and models", 0, total)
    files += writer.add(sources, copied)
    manifest = Manifest(
        name=name,
        began_at=began,
        finished_at=datetime.now(UTC),
        dataset=settings.dataset,
        tables={table.name: table.version for table in tables},
        champions=champions,
        dumps=dumps,
        copied_bytes=sum(entry.size for entry in files if entry.backup == name),
        files=files,
    )
    replace_text(location / name / MANIFEST, manifest.model_dump_json() + "\n")
    if base is not None and base.name not in backups(location):
        # Another backup's pruning may have removed files that this one counts on.
        (location / name / MANIFEST).unlink()
        raise SaranError(f"the backup {base.name} was removed while another was built on it", fix="run it again")
    return manifest


def _dump(settings: Settings, folder: Location) -> list[Dump]:
    try:
        return database.dump(settings.postgres_url, folder)
    except (psycopg.OperationalError, FileNotFoundError) as error:
        raise SaranError(
            f"PostgreSQL cannot be copied: {str(error).strip()}", fix="start it: `saran up --detach --only postgres`"
        ) from error


def _entry(location: Location, name: str, dumped: Dump, began: datetime) -> Entry:
    size, digest = checksum(below(location / name, dumped.path))
    modified = int(began.timestamp() * 1_000_000_000)
    return Entry(path=dumped.path, size=size, sha256=digest, modified=modified, backup=name)
