"""The parts of a model version: which arrays each kind has, what is wrong with them, and the scorer it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from saran.core.age_groups import AgeGroups
from saran.core.foldin import FoldIn
from saran.core.next_items import NextItems, Repeats
from saran.core.rows import Rows
from saran.core.scorers import (
    Blend,
    Factors,
    ItemScorer,
    ItemWeights,
    Neighbours,
    Nobody,
    Popularity,
    Scorer,
    Unweighted,
)
from saran.core.versions import ModelError

Arrays = Mapping[str, NDArray[Any]]
Parameter = float | int | str | bool


class Kind(StrEnum):
    """What a part is."""

    ALS = "als"
    NEIGHBOURS = "neighbours"
    EASE = "ease"
    CONTENT = "content"
    POPULARITY = "popularity"
    RULES = "rules"
    REPEATS = "repeats"
    AGES = "ages"


ARRAYS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.ALS: ("factors",),
    Kind.NEIGHBOURS: ("starts", "items", "nearness"),
    Kind.EASE: ("weights",),
    Kind.CONTENT: ("starts", "items", "nearness"),
    Kind.POPULARITY: ("counts",),
    Kind.RULES: ("starts", "items", "nearness"),
    Kind.REPEATS: ("chances",),
    Kind.AGES: ("least", "people", "starts", "items", "scores", "users"),
}
"""Names of the arrays of a kind: `factors` float32 (items, k); `weights` float32 (items, items); `counts` float32
(items,); and compressed rows of each item's nearest, best first: `starts` int64 (items + 1,), `items` int32 and
`nearness` float32 of one length; those of rules are the items that came next. `chances` float32 (steps, times). Of
groups of users by age, `least` int16 and `people` int32 (groups,), and compressed rows of what each likes: `starts`
int64 (groups + 1,), `items` int32, `scores` float32 and `users` int32."""

WEIGHTLESS: Final = frozenset({Kind.RULES, Kind.REPEATS, Kind.AGES})
"""Parts of which lists of sessions (`saran.core.next_items`) or of ages (`saran.core.age_groups`) are made; of weight
0, since those of users are not."""


class PartSpec(BaseModel):
    """What the manifest says of a part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    weight: float = Field(
        default=1.0,
        ge=0,
        allow_inf_nan=False,
        description="Share of the part's scores in the version's; one of 0 only answers which items are alike",
    )
    parameters: dict[str, Parameter] = Field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A fitted part. Row i of each array is of row i of the version's items."""

    spec: PartSpec
    arrays: Arrays = field(repr=False)

    def weighing(self, weight: float) -> Part:
        """The same part with another weight."""
        return Part(self.spec.model_copy(update={"weight": weight}), self.arrays)


def als_part(factors: NDArray[np.float32], *, alpha: float, regularization: float, ratings: bool = True) -> Part:
    """Implicit ALS, each user folded in when asked for; without `ratings` all pairs have strength 1."""
    parameters: dict[str, Parameter] = {"alpha": alpha, "regularization": regularization, "ratings": ratings}
    return Part(PartSpec(kind=Kind.ALS, parameters=parameters), {"factors": factors})


def near_part(kind: Kind, near: Rows, parameters: Mapping[str, Parameter]) -> Part:
    """A part of `near`, the nearest items of each item: by behaviour or by content, as `kind` says."""
    arrays: Arrays = {"starts": near.starts, "items": near.columns, "nearness": near.strengths}
    return Part(PartSpec(kind=kind, parameters=dict(parameters)), arrays)


def ease_part(weights: NDArray[np.float32], parameters: Mapping[str, Parameter]) -> Part:
    """A linear model whose every pair of items has a weight."""
    return Part(PartSpec(kind=Kind.EASE, parameters=dict(parameters)), {"weights": weights})


def popularity_part(counts: NDArray[np.floating], parameters: Mapping[str, Parameter]) -> Part:
    """The same score for everyone: `counts`, at least 0."""
    return Part(PartSpec(kind=Kind.POPULARITY, parameters=dict(parameters)), {"counts": counts.astype(np.float32)})


def rules_part(rules: Rows, *, sources: int, source_rate: float, parameters: Mapping[str, Parameter]) -> Part:
    """What followed the last items of a session."""
    told: dict[str, Parameter] = {**parameters, "sources": sources, "source_rate": source_rate}
    arrays: Arrays = {"starts": rules.starts, "items": rules.columns, "nearness": rules.strengths}
    return Part(PartSpec(kind=Kind.RULES, weight=0, parameters=told), arrays)


def repeats_part(repeats: Repeats, parameters: Mapping[str, Parameter]) -> Part:
    """How often an item of a session comes next again."""
    told: dict[str, Parameter] = {**parameters, "share": repeats.share}
    arrays: Arrays = {"chances": repeats.chances.astype(np.float32)}
    return Part(PartSpec(kind=Kind.REPEATS, weight=0, parameters=told), arrays)


def ages_part(arrays: Arrays, parameters: Mapping[str, Parameter]) -> Part:
    """What users of each age like."""
    return Part(PartSpec(kind=Kind.AGES, weight=0, parameters=dict(parameters)), arrays)


def age_groups(parts: Mapping[str, Part]) -> AgeGroups | None:
    """What parts without faults know of ages."""
    return next((AgeGroups(part.arrays) for part in parts.values() if part.spec.kind is Kind.AGES), None)


def next_items(parts: Mapping[str, Part]) -> NextItems | None:
    """What parts without faults know of sessions; None without rules. Raises ModelError when a parameter lacks."""
    repeats: Repeats | None = None
    for name, part in parts.items():
        if part.spec.kind is Kind.REPEATS:
            chances = part.arrays["chances"].astype(np.float64)
            repeats = Repeats(chances, _parameter(name, part, "share", least=0.0))
    for name, part in parts.items():
        if part.spec.kind is Kind.RULES:
            return NextItems(
                _near(part),
                sources=int(_parameter(name, part, "sources", least=1)),
                source_rate=_parameter(name, part, "source_rate", least=1e-9),
                repeats=repeats,
            )
    return None


def faults(name: str, part: Part, items: int) -> list[str]:
    """Why a part of a version of `items` items must not be served; empty when it may."""
    kind, arrays = part.spec.kind, part.arrays
    if tuple(sorted(arrays)) != tuple(sorted(ARRAYS[kind])):
        return [f"{name} has arrays {', '.join(sorted(arrays))}, not {', '.join(ARRAYS[kind])}"]
    checks = {
        Kind.ALS: _factor_faults,
        Kind.NEIGHBOURS: _near_faults,
        Kind.EASE: _weight_faults,
        Kind.CONTENT: _near_faults,
        Kind.POPULARITY: _count_faults,
        Kind.RULES: _near_faults,
        Kind.REPEATS: _chance_faults,
        Kind.AGES: _age_faults,
    }
    if kind in WEIGHTLESS and part.spec.weight:
        return [f"{name} are {kind} with weight {part.spec.weight:g}: they have no part in the lists of users"]
    return [f"{name}: {reason}" for reason in checks[kind](arrays, items)]


def item_scorer(name: str, part: Part) -> ItemScorer | None:
    """What a part without faults becomes; None for popularity, which knows nothing of single items, and `WEIGHTLESS`.

    Raises ModelError when it lacks a parameter.
    """
    arrays = part.arrays
    match part.spec.kind:
        case Kind.ALS:
            factors = Factors(
                FoldIn(
                    arrays["factors"],
                    alpha=_parameter(name, part, "alpha", least=0.0),
                    # A positive one keeps every fold-in solvable, whatever the factors are.
                    regularization=_parameter(name, part, "regularization", least=1e-9),
                )
            )
            return factors if part.spec.parameters.get("ratings", True) else Unweighted(factors)
        case Kind.NEIGHBOURS | Kind.CONTENT:
            return Neighbours(_near(part))
        case Kind.EASE:
            return ItemWeights(arrays["weights"])
        case Kind.POPULARITY | Kind.RULES | Kind.REPEATS | Kind.AGES:
            return None


def blended(scorers: Mapping[str, ItemScorer | None], parts: Mapping[str, Part], items: int) -> Scorer:
    """The parts with a weight as one scorer; a single one is taken as it is.

    Where only popularity has a weight, nobody gets a list of their own.
    """
    weighty = {name: part for name, part in parts.items() if part.spec.weight > 0}
    every = [scorers[name] or Popularity(part.arrays["counts"]) for name, part in weighty.items()]
    if all(isinstance(one, Popularity) for one in every):
        return Nobody(items)
    return every[0] if len(every) == 1 else Blend(every, [part.spec.weight for part in weighty.values()])


def _near(part: Part) -> Rows:
    return Rows(part.arrays["starts"], part.arrays["items"], part.arrays["nearness"])


def _factor_faults(arrays: Arrays, items: int) -> list[str]:
    factors = arrays["factors"]
    return _held(
        (f"factors are {factors.dtype}, not float32", factors.dtype != np.float32),
        (f"factors have shape {factors.shape}, not ({items}, k)", factors.ndim != 2),
        (f"{factors.shape[0]} factors for {items} items", factors.shape[0] != items),
        ("factors hold values that are not finite", not np.isfinite(factors).all()),
    )


def _weight_faults(arrays: Arrays, items: int) -> list[str]:
    weights = arrays["weights"]
    return _held(
        (f"weights are {weights.dtype}, not float32", weights.dtype != np.float32),
        (f"weights have shape {weights.shape}, not ({items}, {items})", weights.shape != (items, items)),
        ("weights hold values that are not finite", not np.isfinite(weights).all()),
    )


def _count_faults(arrays: Arrays, items: int) -> list[str]:
    counts = arrays["counts"]
    return _held(
        (f"counts are {counts.dtype}, not float32", counts.dtype != np.float32),
        (f"counts have shape {counts.shape}, not ({items},)", counts.shape != (items,)),
        ("counts hold values that are not finite and at least 0", not (np.isfinite(counts) & (counts >= 0)).all()),
    )


def _chance_faults(arrays: Arrays, _: int) -> list[str]:
    chances = arrays["chances"]
    return _held(
        (f"chances are {chances.dtype}, not float32", chances.dtype != np.float32),
        (
            f"chances have shape {chances.shape}, not (2 or more, 2 or more)",
            chances.ndim != 2 or min(chances.shape) < 2,
        ),
        ("chances hold values that are not from 0 to 1", not ((chances >= 0) & (chances <= 1)).all()),
    )


def _near_faults(arrays: Arrays, items: int) -> list[str]:
    return _row_faults(arrays, "nearness", rows=items, items=items)


def _age_faults(arrays: Arrays, items: int) -> list[str]:
    least, people, users, liked = (arrays[name] for name in ("least", "people", "users", "items"))
    shaped = _held(
        (f"least ages are {least.dtype}, not int16", least.dtype != np.int16),
        (f"people are {people.dtype}, not int32", people.dtype != np.int32),
        (f"users are {users.dtype}, not int32", users.dtype != np.int32),
        (f"{people.shape} people for {least.shape} groups", least.ndim != 1 or people.shape != least.shape),
        (f"{users.shape} users for {liked.shape} items", users.shape != liked.shape),
    )
    if shaped:
        return shaped
    # From 0 on, so that every age has a group.
    rising = len(least) > 0 and least[0] == 0 and bool(np.all(np.diff(least) > 0))
    return [
        *_held((f"least ages {least.tolist()} do not count up from 0", not rising)),
        *_row_faults(arrays, "scores", rows=len(least), items=items),
    ]


def _row_faults(arrays: Arrays, strength: str, *, rows: int, items: int) -> list[str]:
    starts, columns, strengths = (arrays[name] for name in ("starts", "items", strength))
    shaped = _held(
        (f"starts are {starts.dtype}, not int64", starts.dtype != np.int64),
        (f"items are {columns.dtype}, not int32", columns.dtype != np.int32),
        (f"{strength} is {strengths.dtype}, not float32", strengths.dtype != np.float32),
        (f"starts have shape {starts.shape}, not ({rows + 1},)", starts.shape != (rows + 1,)),
        (
            f"{strengths.shape} {strength} for {columns.shape} items",
            columns.ndim != 1 or strengths.shape != columns.shape,
        ),
    )
    if shaped:
        return shaped
    return _held(
        (
            "starts do not count up from 0 to the number of neighbours",
            starts[0] != 0 or starts[-1] != len(columns) or bool(np.any(np.diff(starts) < 0)),
        ),
        (f"a neighbour is none of {items} items", bool(np.any((columns < 0) | (columns >= items)))),
        (
            f"{strength} holds values that are not finite and above 0",
            not (np.isfinite(strengths) & (strengths > 0)).all(),
        ),
    )


def _held(*reasons: tuple[str, bool]) -> list[str]:
    return [reason for reason, holds in reasons if holds]


def _parameter(name: str, part: Part, parameter: str, *, least: float) -> float:
    given = part.spec.parameters.get(parameter)
    if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given < np.inf:
        raise ModelError(
            f"part {name} has {parameter}={given!r}, not a number from {least:g}", fix="train again, or roll back"
        )
    return float(given)
