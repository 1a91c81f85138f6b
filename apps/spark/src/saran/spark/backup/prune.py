"""Old backups go, and with them the files that no other names."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Final

from saran.core.s3 import Location, remove_folder
from saran.core.stored_files import files_below
from saran.spark.backup.manifest import MANIFEST, backups, folders, name_of, read_manifest

_UNFINISHED: Final = timedelta(days=1)
"""Age at which a folder without a manifest is no longer taken for a backup under way."""


def prune(location: Location, keep: int) -> list[str]:
    """Remove all backups but the newest `keep`; their names. What later ones need of them stays.

    Manifests go first: a prune that is cut off leaves files that the next one removes, never a broken backup.
    """
    gone = backups(location)[:-keep]
    for name in gone:
        (location / name / MANIFEST).unlink()
    kept = [read_manifest(location, name) for name in backups(location)]
    needed = {(entry.backup, entry.path) for manifest in kept for entry in manifest.files}
    old = name_of(datetime.now(UTC) - _UNFINISHED)
    whole = {manifest.name for manifest in kept}
    for name in folders(location):
        if name in whole or (name not in gone and name > old):
            continue
        for file in files_below(location / name):
            if (name, file.name) not in needed:
                with contextlib.suppress(FileNotFoundError):
                    file.place.unlink()
        if not any(True for _ in files_below(location / name)):
            remove_folder(location / name)
    return gone
