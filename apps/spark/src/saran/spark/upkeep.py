"""Compaction and vacuum of one Delta table, by its owner.

A vacuum leaves three kinds of files. Those of the newest version; those that were needed in the last hours
(SARAN_MAINTENANCE__KEPT_HOURS), for whoever reads an older version or has written files that no commit names yet; and
those of versions that a model's manifest names, so that `saran train --from-manifest` finds them, for as long as the
table's log tells of that version (Delta's 30 days). Of the last kind none is older than the newest deletion of rows:
what was erased is in no old file either.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties
from deltalake.exceptions import DeltaError

from saran.core.s3 import Location, delta_options
from saran.core.settings import Settings
from saran.core.version_list import model_names, versions_of

DELETED: Final = "saran/deleted"
"""Delta's transaction identifier whose number is the version that last had rows deleted."""

MAINTAINED: Final = "saran/maintained"
"""The same of when the table was looked after, in milliseconds since 1970."""

WRITER: Final = WriterProperties(compression="ZSTD", compression_level=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upkeep:
    """What is to be done to tables."""

    at: datetime
    """When it was asked for, in whole milliseconds."""
    kept_hours: int
    event_days: int | None = None
    named: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Table → versions that manifests of models name."""

    @property
    def at_ms(self) -> int:
        """`at` in milliseconds since 1970."""
        return (self.at - _EPOCH) // timedelta(milliseconds=1)

    @property
    def expired(self) -> str | None:
        """SQL's condition for rows of bronze and silver that came in too long ago, None where rows stay for ever."""
        if self.event_days is None:
            return None
        oldest = (self.at - timedelta(days=self.event_days) - _EPOCH) // timedelta(microseconds=1)
        return f"ingested_at < arrow_cast({oldest}, 'Timestamp(Microsecond, Some(\"UTC\"))')"


def upkeep_of(settings: Settings, at: datetime) -> Upkeep:
    """What the settings ask for, and what the models of the moment name."""
    named: dict[str, set[int]] = {}
    models = settings.models_path
    for facts in (facts for name in model_names(models) for facts in versions_of(models, name).facts):
        for table, version in facts.tables.items():
            named.setdefault(table, set()).add(version)
    return Upkeep(
        at,
        settings.maintenance.kept_hours,
        settings.maintenance.event_days,
        {table: frozenset(versions) for table, versions in named.items()},
    )


def upkeep(folder: Location, name: str, order: Upkeep) -> None:
    """Compact the table `name` in `folder`, remove old files, and note it as the identifier MAINTAINED.

    For the table's owner alone. Raises deltalake's CommitFailedError when another writer has changed the same files.
    """
    started = time.monotonic()
    delta = _open(folder)
    compacted = delta.optimize.compact(writer_properties=WRITER)
    # Also files that no commit ever named: a killed batch may have left an erased user's rows in one.
    delta.vacuum(
        retention_hours=order.kept_hours,
        dry_run=False,
        enforce_retention_duration=False,
        full=True,
        keep_versions=_kept_versions(folder, delta, order.named.get(name, frozenset())),
    )
    delta.update_incremental()
    delta.create_write_transaction(
        [],
        "append",
        delta.schema(),
        commit_properties=CommitProperties(app_transactions=[Transaction(MAINTAINED, order.at_ms)]),
    )
    _log.info(
        "%s: compacted %s files into %s, old ones removed, in %.1f s",
        name,
        compacted["numFilesRemoved"],
        compacted["numFilesAdded"],
        time.monotonic() - started,
    )


def is_done(folder: Location, order: Upkeep) -> bool:
    """Whether the table in `folder` was looked after since `order`."""
    return (_open(folder).transaction_version(MAINTAINED) or 0) >= order.at_ms


def _kept_versions(folder: Location, delta: DeltaTable, named: Collection[int]) -> list[int]:
    """Those of `named` that the log tells of and that have no row that was deleted since."""
    first = delta.transaction_version(DELETED) or 0
    return [version for version in sorted(named) if first <= version <= delta.version() and _is_known(folder, version)]


def _is_known(folder: Location, version: int) -> bool:
    try:
        _open(folder, version)
    except DeltaError:
        return False
    return True


def _open(folder: Location, version: int | None = None) -> DeltaTable:
    return DeltaTable(str(folder), version=version, storage_options=delta_options(folder))
