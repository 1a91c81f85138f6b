"""A training made again: its tables at the same versions, its parameters, weights and seed."""

from __future__ import annotations

from pathlib import Path

from saran.core.model_folder import Manifest
from saran.core.names import Model
from saran.core.s3 import Location
from saran.core.versions import MANIFEST, read_manifest, version_folder
from saran.spark.list_models import model_again
from saran.spark.train_recommender import Plan
from saran.spark.version_list import find_version


def read_recipe(models: Location, wanted: str) -> Manifest:
    """The manifest of a recommender that `wanted` names: a file or its folder, or a version.

    Raises SaranError when there is none, or it cannot be read.
    """
    place = Path(wanted)
    if (place / MANIFEST).is_file() or (place.name == MANIFEST and place.is_file()):
        return read_manifest(place if place.is_dir() else place.parent, Manifest)
    _, facts = find_version(models, wanted, Model.RECOMMENDER)
    return read_manifest(version_folder(models, facts.name, facts.version), Manifest)


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


def differing_files(one: Manifest, other: Manifest) -> list[str]:
    """Files of arrays whose bytes differ between two versions; the snapshot's pseudonyms are an installation's own."""
    names = sorted(name for name in {*one.sha256, *other.sha256} if name.endswith(".npy"))
    return [name for name in names if one.sha256.get(name) != other.sha256.get(name)]
