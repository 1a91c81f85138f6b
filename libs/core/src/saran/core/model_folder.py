"""A version of the recommender as a folder: arrays, the items they are of, and a manifest that says what made them.

    models/recommender/<version>/manifest.json     see `Manifest`
                                 <part>.<array>.npy     what a part is made of: `saran.core.model_parts.ARRAYS`
                                 popularity.npy    int64, item indices, most popular first
                                 items.parquet     columns of an Item, in the order of the factors
                                 interactions.parquet   user (pseudonym), item, strength: what it was trained on

What every model's folder has in common is `saran.core.versions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from saran.core.confidence import Weights
from saran.core.model_parts import ARRAYS, Part, PartSpec, faults
from saran.core.s3 import Location, open_input, open_output
from saran.core.versions import ModelError, VersionFacts, check_files, new_folder, read_manifest, refuse, seal

_POPULARITY: Final = "popularity.npy"
_ITEMS: Final = "items.parquet"
_INTERACTIONS: Final = "interactions.parquet"
_FORMAT: Final = 2
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


class Comparison(BaseModel):
    """How much better than the champion of its day a version was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    champion: str
    metric: str
    difference: Metric = Field(description="The version's metric less the champion's, user by user")
    how: str


class Manifest(VersionFacts):
    """Everything that made a version of the recommender, enough to make it again."""

    format: int = _FORMAT
    parts: dict[Annotated[str, StringConstraints(pattern=_PART)], PartSpec] = Field(
        default_factory=dict, description="By name; their weighted scores are the version's"
    )
    weights: Weights
    history_length: int = Field(ge=1)
    users: int
    items: int
    interactions: int
    evaluation: Evaluation | None = None
    comparison: Comparison | None = None


@dataclass(frozen=True)
class RecommenderModel:
    """A loaded version. `popularity` and the parts' arrays are of the rows of `items`."""

    manifest: Manifest
    parts: Mapping[str, Part]
    popularity: NDArray[np.int64]
    items: pa.Table


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
    folder = new_folder(models, manifest)
    complete = Manifest.model_validate({**dict(manifest), "parts": {name: part.spec for name, part in parts.items()}})
    arrays = {_file(part, name): array for part, one in parts.items() for name, array in one.arrays.items()}
    for file_name, array in {**arrays, _POPULARITY: popularity}.items():
        with open_output(folder / file_name) as file:
            np.save(file, array)
    for file_name, table in ((_ITEMS, items), (_INTERACTIONS, interactions)):
        with open_output(folder / file_name) as file:
            pq.write_table(table, file)
    seal(folder, complete, _data_files(complete))
    return folder


def load_model(folder: Location) -> RecommenderModel:
    """Read a version and check it. Raises ModelError with the reason when it must not be served."""
    manifest = read_manifest(folder, Manifest)
    check_files(folder, manifest, _data_files(manifest))
    try:
        parts = {
            name: Part(spec, {array: _load_array(folder / _file(name, array)) for array in ARRAYS[spec.kind]})
            for name, spec in manifest.parts.items()
        }
        popularity: NDArray[np.int64] = _load_array(folder / _POPULARITY)
        items = _load_table(folder / _ITEMS)
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise refuse(folder, error) from error
    _check(folder, manifest, parts, popularity, items)
    return RecommenderModel(manifest, parts, popularity, items)


def read_interactions(folder: Location) -> pa.Table:
    """The training snapshot of a version: columns user (pseudonym), item (index) and strength."""
    return _load_table(folder / _INTERACTIONS)


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
