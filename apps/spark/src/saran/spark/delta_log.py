"""What the commits of a Delta table did, read from its log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal, NamedTuple

from saran.core.s3 import Location


class VersionsGoneError(Exception):
    """The table can no longer tell what was changed since a version."""


class Change(NamedTuple):
    """A data file whose rows came to a table, or left it."""

    kind: Literal["add", "remove"]
    path: Location


def changes(table: Location, since: int, until: int) -> Iterator[Change]:
    """Files that the versions after `since`, up to `until`, added or removed.

    A compaction changes no row: it is not told.
    Raises VersionsGoneError when the log no longer reaches back to `since`.
    """
    for number in range(since + 1, until + 1):
        log = table / "_delta_log" / f"{number:020d}.json"
        try:
            lines = log.read_text().splitlines()
        except FileNotFoundError as error:
            raise VersionsGoneError(f"version {number} is no longer in the log") from error
        for action in map(json.loads, lines):
            for kind in ("add", "remove"):
                if kind in action and action[kind]["dataChange"]:
                    yield Change(kind, table / action[kind]["path"])
