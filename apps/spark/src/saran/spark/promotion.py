"""Whether a new version becomes the champion on its own.

The champion's arrays have seen the events that the new version is measured on, so they cannot be measured on these.
Its recipe (parameters, seed, and what else its kind of model is told) is trained anew on the same past instead, and
both are asked for the same users' held-out events: what is compared are recipes on equal terms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Generic, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from pydantic import ValidationError

from saran.core import champions
from saran.core.errors import SaranError
from saran.core.job_lock import CHAMPION, CHAMPION_PATIENCE, only_one
from saran.core.metrics import Values, mean_with_interval
from saran.core.model_folder import Comparison, Metric
from saran.core.s3 import Location
from saran.core.settings import Settings
from saran.core.versions import VersionFacts, champion, version_folder

Promote: TypeAlias = Literal["auto", "always", "never"]

_SAME: Final = "It is the same recipe, so on the same past it gives the same answers."
_TRAINED_ANEW: Final = (
    "The champion's recipe was trained anew on the same past: its own arrays have seen what both are measured on."
)


class Compared(Protocol):
    """The manifest of a version that was, or was not, measured beside the champion."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def comparison(self) -> Comparison | None: ...


M = TypeVar("M", bound=VersionFacts)


@dataclass(frozen=True)
class Decision:
    """What became of a new version."""

    promoted: bool
    why: str


@dataclass(frozen=True)
class Rival(Generic[M]):
    """The champion at the start of a training."""

    version: str
    recipe: M | None
    """What made it; None when it cannot be served."""
    broken: str = ""
    """Why it cannot be served."""
    apart: str = ""
    """Why it cannot be measured beside the new version, where it cannot."""
    same: bool = False
    """Whether the new version has the same recipe."""


def find_rival(
    models: Location, candidate: M, load: Callable[[Location], M], *, same: frozenset[str] = frozenset()
) -> Rival[M] | None:
    """The champion that `candidate` has to do with, None when there is none.

    `load` reads a version that can be served. Recipes are one when data set, parameters, seed and fields `same` are.
    """
    version = champion(models, candidate.name)
    if version is None:
        return None
    try:
        recipe = load(version_folder(models, candidate.name, version))
    except (SaranError, ValidationError) as error:
        return Rival(version, None, broken=str(error))
    fields = {"dataset", "parameters", "seed", *same}
    return Rival(version, recipe, same=recipe.model_dump(include=fields) == candidate.model_dump(include=fields))


def compared(rival: Rival[M], metric: str, difference: Metric | Values | None, *, seed: int) -> Comparison:
    """How a version stands beside the champion's recipe by `metric`, more of which is better.

    `difference` is that of each user or visitor, (n,), or its mean with an interval; None for the same recipe.
    """
    found = np.zeros(1) if difference is None else difference
    return Comparison(
        champion=rival.version,
        metric=metric,
        difference=found if isinstance(found, Metric) else mean_with_interval(found, seed=seed),
        how=_SAME if difference is None else _TRAINED_ANEW,
    )


def promote(settings: Settings, manifest: Compared, rival: Rival[M] | None, wanted: Promote) -> Decision:
    """Make a written version the champion where it may be."""
    with only_one(settings, CHAMPION, patience=CHAMPION_PATIENCE):
        decision = decide(wanted, manifest, rival, now=champion(settings.models_path, manifest.name))
        if decision.promoted:
            champions.promote(settings.models_path, manifest.name, manifest.version, why=decision.why)
    return decision


def decide(wanted: Promote, manifest: Compared, rival: Rival[M] | None, *, now: str | None) -> Decision:
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
        decision = Decision(
            False,
            f"it was not measured beside the champion {rival.version}{f', which {rival.apart}' if rival.apart else ''}",
        )
    else:
        difference = manifest.comparison.difference
        no_loss = difference.low >= 0
        told = f"{manifest.comparison.metric} less that of the champion {rival.version} is {_signed(difference)}"
        decision = Decision(no_loss, f"{told}, which {'is no' if no_loss else 'may be a'} loss")
    if decision.promoted:
        return decision
    return replace(decision, why=f"{decision.why}: `saran models promote {manifest.version}` makes it the champion")


def _signed(difference: Metric) -> str:
    return f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"
