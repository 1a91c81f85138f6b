"""Puts a backup back into an empty installation, so that the platform goes on from there.

Every file is checked against its checksum before it counts: first those that make others visible (logs, manifests,
pointers) are read, then data is copied, which nobody sees without a log; then the database is loaded in one
transaction; then what makes it all visible is written, silver's log last. So a backup that is broken changes nothing
that can be seen; a restore that is cut off leaves a note that keeps ingest from starting, and can be begun again.

The offsets in Kafka up to which the tables have records are inside the tables, by the topic's id. If Kafka still has
that topic, ingest goes on behind them; if the topic was made anew, ingest reads it from its beginning, and an event
that silver has already is a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psycopg

from saran.core.database import migrate
from saran.core.errors import SaranError
from saran.core.names import Bucket, Table
from saran.core.s3 import Location, remove_folder
from saran.core.settings import Settings
from saran.core.stored_files import below, checksum, copy_file, files_below
from saran.core.versions import MANIFEST
from saran.spark.backup import database, unfinished
from saran.spark.backup.contents import INDEX, LOG, index_folder
from saran.spark.backup.manifest import Entry, Manifest

Watch = Callable[[str, int, int], None]
"""Called with what is done now, and bytes done of how many."""

_STAGES: Final = (
    INDEX,
    f"{Bucket.LAKEHOUSE}/gold",
    f"{Bucket.LAKEHOUSE}/bronze",
    f"{Bucket.LAKEHOUSE}/{Table.SILVER_REJECTED.replace('.', '/')}",
    f"{Bucket.LAKEHOUSE}/silver",
    Bucket.MODELS,
)


def check(location: Location, manifest: Manifest, watch: Watch) -> None:
    """Read every file of a backup. Raises SaranError for one that is missing or differs from its checksum."""
    total, done = manifest.bytes, 0
    for entry in manifest.files:
        watch("checking", done, total)
        _check(location, manifest, entry)
        done += entry.size


def restore(settings: Settings, location: Location, manifest: Manifest, watch: Watch, *, force: bool = False) -> None:
    """Put the backup `manifest` at `location` back. With `force` over what is there, once all of it was checked.

    Raises SaranError when there is data already, a file is broken, or the database does not answer.
    """
    _migrated(settings)
    # What a restore that was cut off left of this backup is written over.
    there = [] if unfinished.unfinished(settings) == manifest.name else list(_occupied(settings, manifest))
    if there and not force:
        raise SaranError(
            f"there is data already: {', '.join(there)}",
            fix="restore into another SARAN_HOME or an empty installation, or give --force to replace it",
        )
    last = [entry for entry in manifest.files if _makes_visible(entry)]
    data = [entry for entry in manifest.files if not _makes_visible(entry)]
    if there:
        check(location, manifest, watch)
        _remove(settings)
    else:
        for entry in last:
            _check(location, manifest, entry)
    unfinished.begin(settings, manifest.name)
    dumps = {dump.path for dump in manifest.dumps}
    total, done = sum(entry.size for entry in data), 0
    for entry in data:
        watch("restoring", done, total)
        if entry.path in dumps:
            _check(location, manifest, entry)
        else:
            _copy(settings, location, manifest, entry)
        done += entry.size
    watch("database", done, total)
    places = {entry.path: entry.place(location) for entry in data}
    database.load(settings.postgres_url, [(dump, places[dump.path]) for dump in manifest.dumps])
    for entry in sorted(last, key=_order):
        _copy(settings, location, manifest, entry)
    unfinished.end(settings)


def _migrated(settings: Settings) -> None:
    try:
        migrate(settings.postgres_url)
    except (psycopg.OperationalError, FileNotFoundError) as error:
        raise SaranError(
            f"PostgreSQL cannot be restored: {str(error).strip()}", fix="start it: `saran up --detach --only postgres`"
        ) from error


def _occupied(settings: Settings, manifest: Manifest) -> Iterator[str]:
    """What a restore would replace."""
    lakehouse = settings.locate(settings.bucket(Bucket.LAKEHOUSE))
    tables = sorted({file.name.split(f"/{LOG}/")[0] for file in files_below(lakehouse) if f"/{LOG}/" in file.name})
    yield from (table.replace("/", ".") for table in tables)
    if any(True for _ in files_below(settings.models_path)):
        yield f"models in {settings.models_path}"
    yield from database.occupied(settings.postgres_url, manifest.dumps)


def _remove(settings: Settings) -> None:
    """Pointers and logs first: what is cut off here must not look whole."""
    for root in _roots(settings).values():
        files = list(files_below(root))
        for visible in (True, False):
            for file in files:
                if (LOG in file.name or file.place.name == MANIFEST) == visible:
                    file.place.unlink()
        # Of a store the bucket stays; of a disk empty folders need not.
        if isinstance(root, Path):
            remove_folder(root)


def _copy(settings: Settings, location: Location, manifest: Manifest, entry: Entry) -> None:
    root, name = entry.path.split("/", 1)
    try:
        found = copy_file(entry.place(location), below(_roots(settings)[root], name))
    except FileNotFoundError as error:
        raise _missing(location, manifest, entry) from error
    _hold(location, manifest, entry, found)


def _check(location: Location, manifest: Manifest, entry: Entry) -> None:
    try:
        found = checksum(entry.place(location))
    except FileNotFoundError as error:
        raise _missing(location, manifest, entry) from error
    _hold(location, manifest, entry, found)


def _hold(location: Location, manifest: Manifest, entry: Entry, found: tuple[int, str]) -> None:
    if found != (entry.size, entry.sha256):
        raise SaranError(
            f"{entry.place(location)} differs from its checksum in the backup {manifest.name}",
            fix="take another backup that `saran backup list` shows",
        )


def _missing(location: Location, manifest: Manifest, entry: Entry) -> SaranError:
    return SaranError(
        f"{entry.place(location)} of the backup {manifest.name} is missing",
        fix="take another backup that `saran backup list` shows",
    )


def _roots(settings: Settings) -> dict[str, Location]:
    """Where the first part of a path lies in this installation."""
    return {
        INDEX: index_folder(settings),
        Bucket.LAKEHOUSE: settings.locate(settings.bucket(Bucket.LAKEHOUSE)),
        Bucket.MODELS: settings.models_path,
    }


def _makes_visible(entry: Entry) -> bool:
    """Logs of tables, manifests of versions and indexes, and files beside versions."""
    parts = entry.path.split("/")
    beside = parts[0] == Bucket.MODELS and len(parts) <= 3
    return LOG in parts or beside or (parts[-1] == MANIFEST and parts[0] in (Bucket.MODELS, INDEX))


def _order(entry: Entry) -> tuple[int, int, str]:
    """By what shows what: see _STAGES; of models the manifests before the pointers; logs by version."""
    stage = next(number for number, prefix in enumerate(_STAGES) if entry.path.startswith(f"{prefix}/"))
    return stage, -entry.path.count("/"), entry.path
