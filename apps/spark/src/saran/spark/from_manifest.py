"""A training made again: its tables at the same versions, its parameters, weights and seed."""

from __future__ import annotations

from pathlib import Path

from saran.core.model_folder import Manifest
from saran.core.s3 import Location
from saran.core.version_list import find_version
from saran.core.versions import MANIFEST, Facts, VersionFacts, read_manifest, version_folder
from saran.spark.list_models import model_again
from saran.spark.train_recommender import Plan


def read_recipe(models: Location, wanted: str, name: str, kind: type[Facts]) -> Facts:
    """The manifest, a `kind`, of a version of the model `name`; `wanted` is a file or its folder, or names the version.

    Raises SaranError when there is none, or it cannot be read.
    """
    place = Path(wanted)
    if (place / MANIFEST).is_file() or (place.name == MANIFEST and place.is_file()):
        return read_manifest(place if place.is_dir() else place.parent, kind)
    _, facts = find_version(models, wanted, name)
    return read_manifest(version_folder(models, facts.name, facts.version), kind)


def plan_again(recipe: Manifest) -> Plan:
    """The plan that made a version."""
    return Plan(
        recipe.dataset,
        recipe.weights,
        model_again(recipe).parameters,
        seed=recipe.seed,
        window=recipe.window,
        again=recipe,
    )


def differing_files(one: VersionFacts, other: VersionFacts) -> list[str]:
    """Files of arrays and graphs whose bytes differ; the snapshot's pseudonyms are an installation's own."""
    names = sorted(name for name in {*one.sha256, *other.sha256} if name.endswith((".npy", ".onnx")))
    return [name for name in names if one.sha256.get(name) != other.sha256.get(name)]
