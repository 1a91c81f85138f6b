"""A copy of an id index in the object store, for a driver whose disk is as new as its pod.

Without it each start would read the ids of the whole table. It is a cache of a cache: what is missing or wrong in it
costs time only, so trouble with the store is said and passed over.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from saran.core.s3 import Location
from saran.core.stored_files import copy_file

_log = logging.getLogger(__name__)


def restore(copy: Location, folder: Path, manifest: str) -> None:
    """Bring the segments that the copy's `manifest` names into `folder`, and the manifest last."""
    try:
        text = (copy / manifest).read_text()
        for segment in json.loads(text)["segments"]:
            copy_file(copy / str(segment["file"]), folder / str(segment["file"]))
        (folder / manifest).write_text(text)
    except FileNotFoundError as error:
        _log.info("there is no copy of the id index at %s (%s)", copy, error)
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("the copy of the id index at %s cannot be read: %s", copy, error)


def save(folder: Path, copy: Location, manifest: str, segments: Iterable[str]) -> None:
    """Make the copy what `folder` holds: the segments it lacks, then the manifest, then without what that names not."""
    named = set(segments)
    try:
        there = {place.name for place in copy.iterdir()}
        for name in sorted(named - there):
            copy_file(folder / name, copy / name)
        (copy / manifest).write_text((folder / manifest).read_text())
        for name in there - named - {manifest}:
            (copy / name).unlink()
    except OSError as error:
        _log.warning("the id index was not copied to %s: %s", copy, error)
