"""A model version as a folder: arrays, the items they are of, and a manifest that says what made them.

    models/recommender/champion                    the served version, as text
    models/recommender/<version>/manifest.json     see `Manifest`
                                 <part>.<array>.npy     what a part is made of: `saran.core.model_parts.ARRAYS`
                                 popularity.npy    int64, item indices, most popular first
                                 items.parquet     columns of an Item, in the order of the factors
                                 interactions.parquet   user (pseudonym), item, strength: what it was trained on

The manifest is written last and in one step, and a version is there when its manifest is: so it is whole. That needs
no rename, which an object store does not have; folders on disk and in a bucket are written and read alike.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from saran.core.confidence import Weights
from saran.core.model_parts import ARRAYS, ModelError, Part, PartSpec, faults
from saran.core.s3 import Location, open_input, open_output, replace_text

MANIFEST: Final = "manifest.json"
CHAMPION: Final = "champion"
_POPULARITY: Final = "popularity.npy"
_ITEMS: Final = "items.parquet"
_INTERACTIONS: Final = "interactions.parquet"
_FORMAT: Final = 2
_PIECE_BYTES: Final = 8 << 20
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_PART: Final = r"^[a-z][a-z0-9-]{0,30}$"


class Metric(BaseModel):
    """A mean over test users with its 95 % bootstrap interval."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    low: float
    high: float


class Evaluation(BaseModel):
    """How the metrics came about and what they are, by model and metric name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: str
    test_users: int
    metrics: dict[str, dict[str, Metric]] = Field(description="model name → metric name → figure")


class Manifest(BaseModel):
    """Everything that made a version, enough to make it again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = _FORMAT
    name: str
    version: str
    created_at: datetime
    dataset: str
    synthetic: bool
    algorithm: str
    parameters: dict[str, float | int | str | bool] = Field(description="What the trainer was told")
    parts: dict[Annotated[str, StringConstraints(pattern=_PART)], PartSpec] = Field(
        default_factory=dict, description="By name; their weighted scores are the version's"
    )
    weights: Weights
    history_length: int = Field(ge=1)
    seed: int
    tables: dict[str, int] = Field(description="Delta table → version that was read")
    users: int
    items: int
    interactions: int
    newest_event: datetime | None = None
    evaluation: Evaluation | None = None
    sha256: dict[str, str] = Field(default_factory=dict, description="file → checksum")


@dataclass(frozen=True)
class RecommenderModel:
    """A loaded version. `popularity` and the parts' arrays are of the rows of `items`."""

    manifest: Manifest
    parts: Mapping[str, Part]
    popularity: NDArray[np.int64]
    items: pa.Table


def version_folder(models: Location, name: str, version: str) -> Location:
    """Folder of a version, there or not. Raises ModelError when `version` is no plain folder name."""
    if not _VERSION.fullmatch(version):
        raise ModelError(
            f"{version!r} is no model version", fix="use letters, digits and . _ + -, as `saran models` lists"
        )
    return models / name / version


def write_model(
    models: Location,
    manifest: Manifest,
    *,
    parts: Mapping[str, Part],
    popularity: NDArray[np.int64],
    items: pa.Table,
    interactions: pa.Table,
) -> Location:
    """Write a version and return its folder; parts and checksums enter the manifest here.

    Raises ModelError when the version exists already.
    """
    folder = version_folder(models, manifest.name, manifest.version)
    if (folder / MANIFEST).exists():
        raise ModelError(f"model version {folder} exists already", fix="train again, under a new version")
    folder.mkdir(parents=True, exist_ok=True)
    complete = Manifest.model_validate({**dict(manifest), "parts": {name: part.spec for name, part in parts.items()}})
    arrays = {_file(part, name): array for part, one in parts.items() for name, array in one.arrays.items()}
    for file_name, array in {**arrays, _POPULARITY: popularity}.items():
        with open_output(folder / file_name) as file:
            np.save(file, array)
    for file_name, table in ((_ITEMS, items), (_INTERACTIONS, interactions)):
        with open_output(folder / file_name) as file:
            pq.write_table(table, file)
    sums = {name: _sha256(folder / name) for name in _data_files(complete)}
    replace_text(folder / MANIFEST, complete.model_copy(update={"sha256": sums}).model_dump_json(indent=2) + "\n")
    return folder


def load_model(folder: Location) -> RecommenderModel:
    """Read a version and check it. Raises ModelError with the reason when it must not be served."""
    try:
        manifest = _read_manifest(folder)
        for name in _data_files(manifest):
            if name not in manifest.sha256:
                raise ModelError(f"{folder / MANIFEST} has no checksum of {name}", fix="train again, or roll back")
            if _sha256(folder / name) != manifest.sha256[name]:
                raise ModelError(f"{folder / name} differs from its checksum", fix="train again, or roll back")
        parts = {
            name: Part(spec, {array: _load_array(folder / _file(name, array)) for array in ARRAYS[spec.kind]})
            for name, spec in manifest.parts.items()
        }
        popularity: NDArray[np.int64] = _load_array(folder / _POPULARITY)
        items = _load_table(folder / _ITEMS)
    except (OSError, ValueError, ValidationError, pa.ArrowInvalid) as error:
        raise ModelError(f"model version {folder} cannot be read: {error}", fix="train again, or roll back") from error
    _check(folder, manifest, parts, popularity, items)
    return RecommenderModel(manifest, parts, popularity, items)


def read_interactions(folder: Location) -> pa.Table:
    """The training snapshot of a version: columns user (pseudonym), item (index) and strength."""
    return _load_table(folder / _INTERACTIONS)


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


def _read_manifest(folder: Location) -> Manifest:
    content = json.loads((folder / MANIFEST).read_bytes())
    found = content.get("format") if isinstance(content, dict) else None
    if found != _FORMAT:
        raise ModelError(
            f"model version {folder} has format {found}, and this release reads {_FORMAT}",
            fix="train again with this release (`saran train`)",
        )
    return Manifest.model_validate(content)


def _file(part: str, array: str) -> str:
    return f"{part}.{array}.npy"


def _data_files(manifest: Manifest) -> list[str]:
    arrays = [_file(name, array) for name, spec in manifest.parts.items() for array in ARRAYS[spec.kind]]
    return [*arrays, _POPULARITY, _ITEMS, _INTERACTIONS]


def _check(
    folder: Location, manifest: Manifest, parts: Mapping[str, Part], popularity: NDArray[Any], items: pa.Table
) -> None:
    reasons = (
        ("it has no part with a weight", not any(part.spec.weight for part in parts.values())),
        (f"{items.num_rows} item rows for {manifest.items} items", items.num_rows != manifest.items),
        ("popularity is no order of the items", not np.array_equal(np.sort(popularity), np.arange(manifest.items))),
        ("items have no column item_id", "item_id" not in items.column_names),
        ("item ids are not unique", "item_id" in items.column_names and _repeats(items.column("item_id"))),
    )
    wrong = [fault for name, part in parts.items() for fault in faults(name, part, manifest.items)]
    wrong += [reason for reason, broken in reasons if broken]
    if wrong:
        raise ModelError(f"model version {folder} is refused: {'; '.join(wrong)}", fix="train again, or roll back")


def _repeats(ids: pa.ChunkedArray) -> bool:
    return bool(ids.null_count or pc.count_distinct(ids).as_py() != len(ids))


def _load_array(path: Location) -> NDArray[Any]:
    with open_input(path) as file:
        # NumPy would ask an object store for a quarter of a megabyte at a time.
        array: NDArray[Any] = np.load(pa.BufferReader(file.read_buffer()), allow_pickle=False)
        return array


def _load_table(path: Location) -> pa.Table:
    with open_input(path) as file:
        return pq.read_table(file)


def _sha256(path: Location) -> str:
    digest = hashlib.sha256()
    with open_input(path) as file:
        while piece := file.read_buffer(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
