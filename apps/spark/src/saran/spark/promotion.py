"""Whether a new version becomes the champion on its own.

The champion's arrays have seen the events that the new version is measured on, so they cannot be measured on these.
Its recipe (algorithm, parameters, weights, seed) is trained anew on the same past instead, and both lists are asked
for the same users' held-out events: what is compared are recipes on equal terms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import numpy as np
from pydantic import ValidationError

from saran.core import champions
from saran.core.errors import SaranError
from saran.core.metrics import Values, mean_with_interval
from saran.core.model_folder import Comparison, Manifest, Metric, load_model
from saran.core.s3 import Location
from saran.core.settings import Settings
from saran.core.versions import champion, version_folder
from saran.spark.evaluation import PRIMARY
from saran.spark.home_lock import CHAMPION, CHAMPION_PATIENCE, only_one

Promote: TypeAlias = Literal["auto", "always", "never"]

_SAME: Final = "It is the same recipe, so on the same past it gives the same lists."
_TRAINED_ANEW: Final = (
    "The champion's recipe was trained anew on the same past: its own arrays have seen what both are measured on."
)


@dataclass(frozen=True)
class Decision:
    """What became of a new version."""

    promoted: bool
    why: str


@dataclass(frozen=True)
class Rival:
    """The champion at the start of a training."""

    version: str
    recipe: Manifest | None
    """What made it; None when it cannot be served."""
    broken: str = ""
    """Why it cannot be served."""
    same: bool = False
    """Whether the new version has the same recipe."""


def find_rival(models: Location, candidate: Manifest) -> Rival | None:
    """The champion that `candidate` has to do with, None when there is none."""
    version = champion(models, candidate.name)
    if version is None:
        return None
    try:
        recipe = load_model(version_folder(models, candidate.name, version)).manifest
    except (SaranError, ValidationError) as error:
        return Rival(version, None, broken=str(error))
    return Rival(version, recipe, same=_recipe(recipe) == _recipe(candidate))


def compared(rival: Rival, difference: Values | None, *, seed: int) -> Comparison:
    """`difference` (users,) of the primary metric, user by user, with its interval; None for the same recipe."""
    values = np.zeros(1) if difference is None else difference
    return Comparison(
        champion=rival.version,
        metric=PRIMARY,
        difference=mean_with_interval(values, seed=seed),
        how=_SAME if difference is None else _TRAINED_ANEW,
    )


def promote(settings: Settings, manifest: Manifest, rival: Rival | None, wanted: Promote) -> Decision:
    """Make a written version the champion where it may be."""
    with only_one(settings, CHAMPION, patience=CHAMPION_PATIENCE):
        decision = decide(wanted, manifest, rival, now=champion(settings.models_path, manifest.name))
        if decision.promoted:
            champions.promote(settings.models_path, manifest.name, manifest.version, why=decision.why)
    return decision


def decide(wanted: Promote, manifest: Manifest, rival: Rival | None, *, now: str | None) -> Decision:
    """Whether `manifest`'s version becomes the champion; `rival` was that at the start, and `now` names it now."""
    if wanted != "auto":
        return Decision(wanted == "always", f"--promote {wanted} was given")
    if now is None:
        return Decision(True, "there was no champion")
    if rival is None or now != rival.version:
        decision = Decision(False, f"{now} became the champion during the training")
    elif rival.recipe is None:
        decision = Decision(True, f"the champion cannot be served: {rival.broken}")
    elif rival.same:
        decision = Decision(True, f"it is the recipe of the champion {rival.version}, on the tables of now")
    elif manifest.comparison is None:
        decision = Decision(False, f"it was not measured beside the champion {rival.version}")
    else:
        difference = manifest.comparison.difference
        no_loss = difference.low >= 0
        told = f"{PRIMARY} less that of the champion {rival.version} is {_signed(difference)}"
        decision = Decision(no_loss, f"{told}, which {'is no' if no_loss else 'may be a'} loss")
    if decision.promoted:
        return decision
    return replace(decision, why=f"{decision.why}: `saran models promote {manifest.version}` makes it the champion")


def _recipe(manifest: Manifest) -> dict[str, object]:
    return manifest.model_dump(include={"dataset", "algorithm", "parameters", "weights", "history_length", "seed"})


def _signed(difference: Metric) -> str:
    return f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"
