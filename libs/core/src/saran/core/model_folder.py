"""A model version as a folder: arrays, the items they are of, and a manifest that says what made them.

    models/recommender/champion                    the served version, as text
    models/recommender/<version>/manifest.json     see `Manifest`
                                 item_factors.npy  float32, (items, k)
                                 popularity.npy    int64, item indices, most popular first
                                 items.parquet     columns of an Item, in the order of the factors
                                 interactions.parquet   user (pseudonym), item, strength: what it was trained on

The manifest is written last and in one step, and a version is there when its manifest is: so it is whole. That needs
no rename, which an object store does not have; folders on disk and in a bucket are written and read alike.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saran.core.confidence import Weights
from saran.core.errors import SaranError
from saran.core.s3 import Location, open_input, open_output, replace_text

MANIFEST: Final = "manifest.json"
CHAMPION: Final = "champion"
_FACTORS: Final = "item_factors.npy"
_POPULARITY: Final = "popularity.npy"
_ITEMS: Final = "items.parquet"
_INTERACTIONS: Final = "interactions.parquet"
_DATA_FILES: Final = (_FACTORS, _POPULARITY, _ITEMS, _INTERACTIONS)
_PIECE_BYTES: Final = 8 << 20
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class ModelError(SaranError):
    """A model version that cannot be served: broken, half written or of the wrong shape."""


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

    format: int = 1
    name: str
    version: str
    created_at: datetime
    dataset: str
    synthetic: bool
    algorithm: str
    parameters: dict[str, float | int | str | bool]
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
    """A loaded version. Row i of `factors` belongs to row i of `items`."""

    manifest: Manifest
    factors: NDArray[np.float32]
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
    factors: NDArray[np.float32],
    popularity: NDArray[np.int64],
    items: pa.Table,
    interactions: pa.Table,
) -> Location:
    """Write a version and return its folder. Raises ModelError when the version exists already."""
    folder = version_folder(models, manifest.name, manifest.version)
    if (folder / MANIFEST).exists():
        raise ModelError(f"model version {folder} exists already", fix="train again, under a new version")
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in ((_FACTORS, factors), (_POPULARITY, popularity)):
        with open_output(folder / name) as file:
            np.save(file, array)
    for name, table in ((_ITEMS, items), (_INTERACTIONS, interactions)):
        with open_output(folder / name) as file:
            pq.write_table(table, file)
    sums = {name: _sha256(folder / name) for name in _DATA_FILES}
    complete = manifest.model_copy(update={"sha256": sums})
    replace_text(folder / MANIFEST, complete.model_dump_json(indent=2) + "\n")
    return folder


def load_model(folder: Location) -> RecommenderModel:
    """Read a version and check it. Raises ModelError with the reason when it must not be served."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        for name in _DATA_FILES:
            if name not in manifest.sha256:
                raise ModelError(f"{folder / MANIFEST} has no checksum of {name}", fix="train again, or roll back")
            if _sha256(folder / name) != manifest.sha256[name]:
                raise ModelError(f"{folder / name} differs from its checksum", fix="train again, or roll back")
        factors: NDArray[np.float32] = _load_array(folder / _FACTORS)
        popularity: NDArray[np.int64] = _load_array(folder / _POPULARITY)
        items = _load_table(folder / _ITEMS)
    except (OSError, ValueError, ValidationError, pa.ArrowInvalid) as error:
        raise ModelError(f"model version {folder} cannot be read: {error}", fix="train again, or roll back") from error
    _check(folder, manifest, factors, popularity, items)
    return RecommenderModel(manifest, factors, popularity, items)


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


def _check(
    folder: Location, manifest: Manifest, factors: NDArray[Any], popularity: NDArray[Any], items: pa.Table
) -> None:
    reasons = (
        (f"factors are {factors.dtype}, not float32", factors.dtype != np.float32),
        (f"factors have shape {factors.shape}, not ({manifest.items}, k)", factors.ndim != 2),
        (f"{factors.shape[0]} factors for {manifest.items} items", factors.shape[0] != manifest.items),
        (f"{items.num_rows} item rows for {manifest.items} items", items.num_rows != manifest.items),
        ("factors hold values that are not finite", not np.isfinite(factors).all()),
        ("popularity is no order of the items", not np.array_equal(np.sort(popularity), np.arange(manifest.items))),
        ("items have no column item_id", "item_id" not in items.column_names),
        ("item ids are not unique", "item_id" in items.column_names and _repeats(items.column("item_id"))),
    )
    wrong = [reason for reason, broken in reasons if broken]
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
