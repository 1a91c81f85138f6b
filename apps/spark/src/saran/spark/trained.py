"""What a training answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from saran.core.s3 import Location
from saran.core.versions import VersionFacts, read_manifest
from saran.spark.promotion import Decision

M = TypeVar("M", bound=VersionFacts)


@dataclass(frozen=True)
class Trained(Generic[M]):
    """A new version: where it is, and what its manifest says (checksums stand in the file only)."""

    folder: Location
    manifest: M
    decision: Decision
    seconds: dict[str, float] = field(default_factory=dict)

    def written(self) -> M:
        """The manifest as it was written, with checksums."""
        return read_manifest(self.folder, type(self.manifest))
