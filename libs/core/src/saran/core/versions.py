"""What the versions of every model have in common: a folder each, a manifest written last, and one that is served.

    models/<name>/champion                  the served version, as text
    models/<name>/<version>/manifest.json   a `VersionFacts`, with what the kind of model adds

The manifest is written last and in one step, and a version is there when its manifest is: so it is whole. That needs
no rename, which an object store does not have; folders on disk and in a bucket are written and read alike.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from saran.core.errors import SaranError
from saran.core.s3 import Location, replace_text
from saran.core.stored_files import checksum
from saran.core.window import ALL_EVENTS, Window

MANIFEST: Final = "manifest.json"
CHAMPION: Final = "champion"
_FIX: Final = "train again, or roll back"
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class ModelError(SaranError):
    """A model version that cannot be served: broken, half written or of the wrong shape."""


class VersionFacts(BaseModel):
    """What made a version, whatever the model is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = 1
    name: str
    version: str
    created_at: datetime
    dataset: str
    synthetic: bool
    algorithm: str
    parameters: dict[str, float | int | str | bool] = Field(description="What the trainer was told")
    seed: int
    tables: dict[str, int] = Field(description="Delta table → version that was read")
    window: Window = Field(default=ALL_EVENTS, description="Which events of those tables counted")
    newest_event: datetime | None = None
    sha256: dict[str, str] = Field(default_factory=dict, description="file → checksum")


Facts = TypeVar("Facts", bound=VersionFacts)


def version_name(created_at: datetime, made_from: Mapping[str, Any]) -> str:
    """Time, then a hash of what the version is made from: versions sort by age, and equal causes can be seen."""
    digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
    return f"{created_at:%Y%m%dT%H%M%S%f}Z-{digest[:8]}"


def version_folder(models: Location, name: str, version: str) -> Location:
    """Folder of a version, there or not. Raises ModelError when `version` is no plain folder name."""
    if not _VERSION.fullmatch(version):
        raise ModelError(
            f"{version!r} is no model version", fix="use letters, digits and . _ + -, as `saran models` lists"
        )
    return models / name / version


def new_folder(models: Location, facts: VersionFacts) -> Location:
    """Make the folder that a version's files are written into. Raises ModelError when the version exists already."""
    folder = version_folder(models, facts.name, facts.version)
    if (folder / MANIFEST).exists():
        raise ModelError(f"model version {folder} exists already", fix="train again, under a new version")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def seal(folder: Location, facts: VersionFacts, files: Sequence[str]) -> None:
    """Write the manifest, with the checksums of `files`, which are written: now the version is there."""
    complete = facts.model_copy(update={"sha256": {name: checksum(folder / name)[1] for name in files}})
    replace_text(folder / MANIFEST, complete.model_dump_json(indent=2) + "\n")


def read_manifest(folder: Location, kind: type[Facts]) -> Facts:
    """What the version says of itself. Raises ModelError with the reason when it cannot be read."""
    wanted = kind.model_fields["format"].default
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
        found = content.get("format") if isinstance(content, dict) else None
        if found == wanted:
            return kind.model_validate(content)
    except (OSError, ValueError) as error:
        raise refuse(folder, error) from error
    raise ModelError(
        f"model version {folder} has format {found}, and this release reads {wanted}",
        fix="train again with this release (`saran train`)",
    )


def check_files(folder: Location, facts: VersionFacts, files: Sequence[str]) -> None:
    """Raises ModelError when one of the version's `files` is not as it was written."""
    for name in files:
        if name not in facts.sha256:
            raise ModelError(f"{folder / MANIFEST} has no checksum of {name}", fix=_FIX)
        try:
            now = checksum(folder / name)[1]
        except OSError as error:
            raise refuse(folder, error) from error
        if now != facts.sha256[name]:
            raise ModelError(f"{folder / name} differs from its checksum", fix=_FIX)


def refuse(folder: Location, error: Exception) -> ModelError:
    """The error of a version whose files cannot be read."""
    return ModelError(f"model version {folder} cannot be read: {error}", fix=_FIX)


def set_champion(models: Location, name: str, version: str) -> None:
    """Make `version` the served one, in one step that a reader cannot see half of.

    Raises ModelError when there is no such version.
    """
    if not (version_folder(models, name, version) / MANIFEST).exists():
        raise ModelError(f"model {name} has no version {version}", fix=f"choose one of the folders in {models / name}")
    replace_text(models / name / CHAMPION, version + "\n")


def champion(models: Location, name: str) -> str | None:
    """The served version, or None before the first training."""
    try:
        return (models / name / CHAMPION).read_text().strip()
    except FileNotFoundError:
        return None
