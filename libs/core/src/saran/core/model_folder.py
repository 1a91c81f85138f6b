"""A model version as a folder: arrays, the items they are of, and a manifest that says what made them.

    models/recommender/champion                    the served version, as text
    models/recommender/<version>/manifest.json     see `Manifest`
                                 item_factors.npy  float32, (items, k)
                                 popularity.npy    int64, item indices, most popular first
                                 items.parquet     columns of an Item, in the order of the factors
                                 interactions.parquet   user (pseudonym), item, strength: what it was trained on

A folder is written under a temporary name and renamed when complete, so a version that can be seen is whole.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saran.core.confidence import Weights
from saran.core.errors import SaranError

MANIFEST: Final = "manifest.json"
CHAMPION: Final = "champion"
_FACTORS: Final = "item_factors.npy"
_POPULARITY: Final = "popularity.npy"
_ITEMS: Final = "items.parquet"
_INTERACTIONS: Final = "interactions.parquet"
_DATA_FILES: Final = (_FACTORS, _POPULARITY, _ITEMS, _INTERACTIONS)
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


def version_folder(models: Path, name: str, version: str) -> Path:
    """Folder of a version, there or not. Raises ModelError when `version` is no plain folder name."""
    if not _VERSION.fullmatch(version):
        raise ModelError(
            f"{version!r} is no model version", fix="use letters, digits and . _ + -, as `saran models` lists"
        )
    return models / name / version


def write_model(
    models: Path,
    manifest: Manifest,
    *,
    factors: NDArray[np.float32],
    popularity: NDArray[np.int64],
    items: pa.Table,
    interactions: pa.Table,
) -> Path:
    """Write a version and return its folder. Raises ModelError when the version exists already."""
    folder = version_folder(models, manifest.name, manifest.version)
    if folder.exists():
        raise ModelError(f"model version {folder} exists already", fix="train again, under a new version")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    np.save(partial / _FACTORS, factors)
    np.save(partial / _POPULARITY, popularity)
    pq.write_table(items, partial / _ITEMS)
    pq.write_table(interactions, partial / _INTERACTIONS)
    sums = {name: _sha256(partial / name) for name in _DATA_FILES}
    complete = manifest.model_copy(update={"sha256": sums})
    (partial / MANIFEST).write_text(complete.model_dump_json(indent=2) + "\n")
    partial.rename(folder)
    return folder


def load_model(folder: Path) -> RecommenderModel:
    """Read a version and check it. Raises ModelError with the reason when it must not be served."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        for name in _DATA_FILES:
            if name not in manifest.sha256:
                raise ModelError(f"{folder / MANIFEST} has no checksum of {name}", fix="train again, or roll back")
            if _sha256(folder / name) != manifest.sha256[name]:
                raise ModelError(f"{folder / name} differs from its checksum", fix="train again, or roll back")
        factors: NDArray[np.float32] = np.load(folder / _FACTORS, allow_pickle=False)
        popularity: NDArray[np.int64] = np.load(folder / _POPULARITY, allow_pickle=False)
        items = pq.read_table(folder / _ITEMS)
    except (OSError, ValueError, ValidationError, pa.ArrowInvalid) as error:
        raise ModelError(f"model version {folder} cannot be read: {error}", fix="train again, or roll back") from error
    _check(folder, manifest, factors, popularity, items)
    return RecommenderModel(manifest, factors, popularity, items)


def read_interactions(folder: Path) -> pa.Table:
    """The training snapshot of a version: columns user (pseudonym), item (index) and strength."""
    return pq.read_table(folder / _INTERACTIONS)


def set_champion(models: Path, name: str, version: str) -> None:
    """Make `version` the served one, in one step that a reader cannot see half of.

    Raises ModelError when there is no such version.
    """
    if not (version_folder(models, name, version) / MANIFEST).exists():
        raise ModelError(f"model {name} has no version {version}", fix=f"choose one of the folders in {models / name}")
    partial = models / name / f".{CHAMPION}.partial"
    partial.write_text(version + "\n")
    partial.replace(models / name / CHAMPION)


def champion(models: Path, name: str) -> str | None:
    """The served version, or None before the first training."""
    try:
        return (models / name / CHAMPION).read_text().strip()
    except FileNotFoundError:
        return None


def _check(folder: Path, manifest: Manifest, factors: NDArray[Any], popularity: NDArray[Any], items: pa.Table) -> None:
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
