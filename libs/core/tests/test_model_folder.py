"""Model folders: what was written comes back, and what must not be served is refused with its reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from saran.core.confidence import RateWeight, Weights
from saran.core.model_folder import Manifest, load_model, read_interactions, write_model
from saran.core.model_parts import (
    Kind,
    Part,
    PartSpec,
    age_groups,
    ages_part,
    als_part,
    ease_part,
    popularity_part,
    repeats_part,
)
from saran.core.next_items import Repeats
from saran.core.versions import ModelError, champion, set_champion

FACTORS = np.arange(6, dtype=np.float32).reshape(3, 2)
NEAR = {
    "starts": np.array([0, 1, 1, 3]),
    "items": np.array([1, 0, 1], dtype=np.int32),
    "nearness": np.array([0.5, 0.25, 1], dtype=np.float32),
}
PARTS = {
    "als": als_part(FACTORS, alpha=10.0, regularization=0.1),
    "neighbours": Part(PartSpec(kind=Kind.NEIGHBOURS, weight=0.5, parameters={"shrink": 2.0}), NEAR),
    "ease": ease_part(np.eye(3, dtype=np.float32), {}),
    "content": Part(PartSpec(kind=Kind.CONTENT, weight=0), NEAR),
    "popularity": popularity_part(np.array([1.0, 2.0, 0.5]), {}),
    "rules": Part(PartSpec(kind=Kind.RULES, weight=0, parameters={"sources": 3, "source_rate": 1.0}), NEAR),
    "repeats": repeats_part(Repeats(np.full((3, 2), 0.5), 0.25), {}),
}
AGES: dict[str, Any] = {
    "least": np.array([0, 18], dtype=np.int16),
    "people": np.array([0, 12], dtype=np.int32),
    "starts": np.array([0, 0, 2]),
    "items": np.array([2, 0], dtype=np.int32),
    "scores": np.array([3.5, 1], dtype=np.float32),
    "users": np.array([4, 1], dtype=np.int32),
}
PARTS["ages"] = ages_part(AGES, {"half_life_days": 90.0, "year": 2026})
POPULARITY = np.array([2, 0, 1])
ITEMS = pa.table({"item_id": ["a", "b", "c"], "title": ["A", None, "C"]})
SNAPSHOT = pa.table({"user": [7], "item": [1], "strength": [2.5]})


def manifest(version: str = "1", items: int = 3) -> Manifest:
    return Manifest(
        name="recommender",
        version=version,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        dataset="letters",
        synthetic=True,
        algorithm="als",
        parameters={"alpha": 10.0, "regularization": 0.1},
        weights=Weights(rate=RateWeight(minus=2.0)),
        history_length=50,
        seed=1,
        tables={"silver.events": 4},
        users=5,
        items=items,
        interactions=1,
    )


def write(models: Path, version: str = "1", **replaced: Any) -> Path:
    arrays: dict[str, Any] = {
        "parts": PARTS,
        "popularity": POPULARITY,
        "items": ITEMS,
        "interactions": SNAPSHOT,
        **replaced,
    }
    folder = write_model(models, manifest(version), **arrays)
    assert isinstance(folder, Path)
    return folder


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    folder = write(tmp_path)
    model = load_model(folder)
    assert list(model.parts) == list(PARTS)
    for name, part in PARTS.items():
        assert model.parts[name].spec == part.spec
        for array, values in part.arrays.items():
            np.testing.assert_array_equal(model.parts[name].arrays[array], values)
    assert model.popularity.tolist() == [2, 0, 1]
    assert model.items.equals(ITEMS)
    assert read_interactions(folder).equals(SNAPSHOT)
    assert model.manifest.model_copy(update={"sha256": {}, "parts": {}}) == manifest()
    assert sorted(model.manifest.sha256) == sorted(path.name for path in folder.iterdir() if path.suffix != ".json")


def test_a_version_is_written_once(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ModelError, match=r"exists already.*under a new version"):
        write(tmp_path)


def test_a_half_written_version_is_not_seen_and_does_not_hinder(tmp_path: Path) -> None:
    left = tmp_path / "recommender" / "1"
    left.mkdir(parents=True)
    (left / "als.factors.npy").write_bytes(b"half")
    with pytest.raises(ModelError, match="no version 1"):
        set_champion(tmp_path, "recommender", "1")
    assert load_model(write(tmp_path)).manifest.version == "1"


def test_the_champion_moves(tmp_path: Path) -> None:
    assert champion(tmp_path, "recommender") is None
    write(tmp_path, "1")
    write(tmp_path, "2")
    set_champion(tmp_path, "recommender", "1")
    assert champion(tmp_path, "recommender") == "1"
    set_champion(tmp_path, "recommender", "2")
    assert champion(tmp_path, "recommender") == "2"


def test_a_champion_that_was_never_written_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "1")
    set_champion(tmp_path, "recommender", "1")
    with pytest.raises(ModelError, match="no version 9"):
        set_champion(tmp_path, "recommender", "9")
    assert champion(tmp_path, "recommender") == "1"


@pytest.mark.parametrize("version", ["", "../other", "a/b", ".hidden"])
def test_a_version_cannot_leave_its_folder(tmp_path: Path, version: str) -> None:
    with pytest.raises(ModelError, match="version"):
        write(tmp_path, version)


@pytest.mark.parametrize("name", ["als.factors.npy", "content.items.npy", "popularity.npy", "interactions.parquet"])
def test_a_changed_byte_is_noticed(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name} differs from its checksum.*roll back"):
        load_model(folder)


@pytest.mark.parametrize("name", ["als.factors.npy", "ease.weights.npy", "items.parquet", "manifest.json"])
def test_a_missing_file_is_noticed(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_model(folder)


def test_the_format_of_another_release_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path)
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**content, "format": 1}))
    with pytest.raises(ModelError, match="has format 1, and this release reads 2: train again"):
        load_model(folder)


def test_a_manifest_without_checksums_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path)
    content = json.loads((folder / "manifest.json").read_text())
    del content["sha256"]["als.factors.npy"]
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"no checksum of als\.factors\.npy"):
        load_model(folder)


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"popularity": np.array([0, 0, 1])}, "popularity is no order"),
        ({"popularity": np.array([0, 1])}, "popularity is no order"),
        ({"items": ITEMS.slice(1)}, "2 item rows for 3 items"),
        ({"items": pa.table({"item_id": ["a", "b", "a"]})}, "item ids are not unique"),
        ({"items": pa.table({"title": ["a", "b", "c"]})}, "no column item_id"),
    ],
)
def test_wrong_shapes_are_refused_with_the_reason(tmp_path: Path, replaced: dict[str, Any], reason: str) -> None:
    folder = write(tmp_path, **replaced)
    with pytest.raises(ModelError, match=reason):
        load_model(folder)


def altered(kind: Kind, **arrays: Any) -> dict[str, Part]:
    """A version's parts: one of `kind`, in which some arrays are others."""
    part = next(part for part in PARTS.values() if part.spec.kind is kind)
    return {"one": Part(part.spec.model_copy(update={"weight": 1.0}), {**part.arrays, **arrays})}


@pytest.mark.parametrize(
    ("kind", "arrays", "reason"),
    [
        (Kind.ALS, {"factors": FACTORS.astype(np.float64)}, "one: factors are float64, not float32"),
        (Kind.ALS, {"factors": FACTORS[:2]}, "one: 2 factors for 3 items"),
        (Kind.ALS, {"factors": FACTORS.ravel()}, r"one: factors have shape \(6,\)"),
        (Kind.ALS, {"factors": np.where(FACTORS == 3, np.nan, FACTORS).astype(np.float32)}, "not finite"),
        (Kind.EASE, {"weights": np.eye(3)}, "weights are float64"),
        (Kind.EASE, {"weights": FACTORS}, r"weights have shape \(3, 2\), not \(3, 3\)"),
        (Kind.EASE, {"weights": np.full((3, 3), np.inf, dtype=np.float32)}, "not finite"),
        (Kind.POPULARITY, {"counts": np.ones(2, dtype=np.float32)}, r"counts have shape \(2,\), not \(3,\)"),
        (Kind.POPULARITY, {"counts": np.array([1, -1, 0], dtype=np.float32)}, "at least 0"),
        (Kind.POPULARITY, {"counts": np.ones(3)}, "counts are float64"),
        (Kind.NEIGHBOURS, {"starts": np.array([0, 1, 3])}, r"starts have shape \(3,\), not \(4,\)"),
        (Kind.NEIGHBOURS, {"starts": np.array([0, 2, 1, 3])}, "starts do not count up"),
        (Kind.NEIGHBOURS, {"starts": np.array([0, 1, 1, 2])}, "starts do not count up"),
        (Kind.NEIGHBOURS, {"starts": NEAR["starts"].astype(np.int32)}, "starts are int32"),
        (Kind.NEIGHBOURS, {"items": np.array([1, 0, 3], dtype=np.int32)}, "a neighbour is none of 3 items"),
        (Kind.NEIGHBOURS, {"items": np.array([1, 0, 1])}, "items are int64"),
        (Kind.NEIGHBOURS, {"nearness": NEAR["nearness"][:2]}, r"\(2,\) nearness for \(3,\) items"),
        (Kind.NEIGHBOURS, {"nearness": np.ones(3)}, "nearness is float64"),
        (Kind.CONTENT, {"nearness": np.zeros(3, dtype=np.float32)}, "not finite and above 0"),
        (Kind.RULES, {}, "one are rules with weight 1: they have no part in the lists of users"),
        (Kind.REPEATS, {}, "one are repeats with weight 1: they have no part in the lists of users"),
        (Kind.AGES, {}, "one are ages with weight 1: they have no part in the lists of users"),
    ],
)
def test_parts_of_wrong_shape_are_refused_with_the_reason(
    tmp_path: Path, kind: Kind, arrays: dict[str, Any], reason: str
) -> None:
    folder = write(tmp_path, parts=altered(kind, **arrays))
    with pytest.raises(ModelError, match=reason):
        load_model(folder)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"least": np.array([0, 18])}, "ages: least ages are int64, not int16"),
        ({"least": np.array([13, 18], dtype=np.int16)}, r"least ages \[13, 18\] do not count up from 0"),
        ({"least": np.array([0, 0], dtype=np.int16)}, r"least ages \[0, 0\] do not count up"),
        ({"people": np.ones(3, dtype=np.int32)}, r"\(3,\) people for \(2,\) groups"),
        ({"people": np.ones(2)}, "people are float64"),
        ({"users": np.ones(1, dtype=np.int32)}, r"\(1,\) users for \(2,\) items"),
        ({"users": np.ones(2)}, "users are float64"),
        ({"starts": np.array([0, 2])}, r"starts have shape \(2,\), not \(3,\)"),
        ({"items": np.array([2, 3], dtype=np.int32)}, "a neighbour is none of 3 items"),
        ({"scores": np.array([1, 0], dtype=np.float32)}, "scores holds values that are not finite and above 0"),
    ],
)
def test_what_ages_like_is_refused_with_the_reason_where_it_is_wrong(
    tmp_path: Path, arrays: dict[str, Any], reason: str
) -> None:
    folder = write(tmp_path, parts={**PARTS, "ages": ages_part({**AGES, **arrays}, {})})
    with pytest.raises(ModelError, match=reason):
        load_model(folder)


def test_an_age_is_in_the_group_that_begins_with_it_or_before() -> None:
    ages = age_groups(PARTS)
    assert ages is not None
    assert ages.of(17) is None, "too few are so young"
    for age in (18, 99):
        liked = ages.of(age)
        assert liked is not None
        assert (liked.group.name, liked.group.people) == ("18+", 12)
        assert (liked.items.tolist(), liked.users.tolist()) == ([2, 0], [4, 1])
    assert [liked.group.least for liked in ages.every()] == [18]
    young = ages_part({**AGES, "starts": np.array([0, 1, 2])}, {})
    assert [liked.group.name for liked in (age_groups({"ages": young}) or ages).every()] == ["0-17", "18+"]


@pytest.mark.parametrize("parts", [{}, {"content": PARTS["content"]}])
def test_a_version_without_a_weight_is_refused(tmp_path: Path, parts: dict[str, Part]) -> None:
    folder = write(tmp_path, parts=parts)
    with pytest.raises(ModelError, match="no part with a weight"):
        load_model(folder)


def test_a_part_cannot_leave_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        write(tmp_path, parts={"../als": PARTS["als"]})
