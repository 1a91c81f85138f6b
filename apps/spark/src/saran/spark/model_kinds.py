"""The models that `saran evaluate` compares: what each can be told, what a search draws, and how it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from saran.core.confidence import Interactions
from saran.core.foldin import FoldIn
from saran.core.scorers import Factors, Popularity, Scorer, Unweighted, unweighted
from saran.spark.als_local import item_factors
from saran.spark.als_parameters import ALSParameters
from saran.spark.item_models import fit_ease, fit_item_knn
from saran.spark.parameter_search import Space

POPULARITY: Final = "popularity"
ITEM_KNN: Final = "item-knn"
BLEND: Final = "blend"

_RANKS: Final = (16, 24, 32, 48, 64, 96)


class NoParameters(BaseModel):
    """Of a model that cannot be told anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemKNNParameters(BaseModel):
    """Of item-kNN by shrunk cosine."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    neighbours: int = Field(default=100, ge=1)
    """Items that each item of a history votes for."""

    shrink: float = Field(default=10.0, ge=0)
    """More distrusts similarities that few users have made."""


class EASEParameters(BaseModel):
    """Of EASE."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    regularization: float = Field(default=200.0, gt=0)
    """Added to the diagonal of the Gram matrix, in users."""


class RatedALSParameters(ALSParameters):
    """Of implicit ALS on ratings."""

    ratings: bool = True
    """Whether the strength of a pair is its rating; otherwise all pairs have 1."""


_P = TypeVar("_P", bound=BaseModel)


@dataclass(frozen=True)
class Kind(Space[_P]):
    """A model class. `fit` gets training interactions, the number of items, parameters and a seed."""

    fit: Callable[[Interactions, int, _P, int], Scorer]


def _popularity(given: Interactions, items: int, _: NoParameters, __: int) -> Scorer:
    return Popularity(np.bincount(given.items, minlength=items))


def _item_knn(given: Interactions, items: int, parameters: ItemKNNParameters, _: int) -> Scorer:
    return fit_item_knn(given, items, neighbours=parameters.neighbours, shrink=parameters.shrink)


def _ease(given: Interactions, items: int, parameters: EASEParameters, _: int) -> Scorer:
    return fit_ease(given, items, regularization=parameters.regularization)


def _als(given: Interactions, items: int, parameters: RatedALSParameters, seed: int) -> Scorer:
    factors = item_factors(given if parameters.ratings else unweighted(given), parameters, items=items, seed=seed)
    scorer = Factors(FoldIn(factors, alpha=parameters.alpha, regularization=parameters.regularization))
    return scorer if parameters.ratings else Unweighted(scorer)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Drawn evenly by order of magnitude, to three digits."""
    return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")


def _draw_item_knn(rng: np.random.Generator) -> ItemKNNParameters:
    return ItemKNNParameters(neighbours=round(log_uniform(rng, 10, 1000)), shrink=log_uniform(rng, 0.1, 1000))


def _draw_ease(rng: np.random.Generator) -> EASEParameters:
    return EASEParameters(regularization=log_uniform(rng, 10, 5000))


def _draw_als(rng: np.random.Generator) -> RatedALSParameters:
    return RatedALSParameters(
        rank=int(rng.choice(_RANKS)),
        regularization=log_uniform(rng, 0.005, 0.5),
        alpha=log_uniform(rng, 0.1, 10),
        ratings=bool(rng.integers(2)),
    )


KINDS: Final[Mapping[str, Kind[Any]]] = MappingProxyType(
    {
        POPULARITY: Kind(NoParameters, lambda _: NoParameters(), _popularity),
        ITEM_KNN: Kind(ItemKNNParameters, _draw_item_knn, _item_knn),
        "als": Kind(RatedALSParameters, _draw_als, _als),
        "ease": Kind(EASEParameters, _draw_ease, _ease),
    }
)
"""By the name on the command line; `blend` is made of these (`saran.spark.model_search`)."""
