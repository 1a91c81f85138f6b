"""The list models that `saran train` fits: from interactions and catalogue to the parts of a version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from saran.core.confidence import FloatArray, IntArray, Interactions
from saran.core.errors import SaranError
from saran.core.model_folder import Manifest
from saran.core.model_parts import (
    WEIGHTLESS,
    Kind,
    Part,
    als_part,
    ease_part,
    item_scorer,
    near_part,
    popularity_part,
)
from saran.core.rows import rows_of, transposed
from saran.core.s3 import Location
from saran.core.scorers import Popularity, Scores
from saran.spark.als import train
from saran.spark.als_local import item_factors
from saran.spark.als_parameters import ALSParameters
from saran.spark.content_features import content_rows
from saran.spark.item_models import fit_ease
from saran.spark.list_parameters import (
    BlendParameters,
    ContentParameters,
    NeighbourParameters,
    PopularityParameters,
)
from saran.spark.model_search import Fold, Goal, search_blend
from saran.spark.nearest import co_interaction, nearest
from saran.spark.parameters import Parameters

Parts = Mapping[str, Part]
GOAL: Final = Goal(10, "cut")
"""What the blend's weights make as high as possible on the validation window: NDCG@10."""


@dataclass(frozen=True)
class Ground:
    """What a model is fitted on. `given` holds rows of `items`; `days` (pairs,) the newest event of each pair."""

    spark: SparkSession | None
    """None: everything in this process."""
    items: pa.Table = field(repr=False)
    given: Interactions = field(repr=False)
    days: IntArray = field(repr=False)
    seed: int
    checkpoints: Location


class ListModel(Protocol):
    """A trainer: its name, what it was told, and how it is fitted."""

    @property
    def name(self) -> str:
        """As on the command line and in figures."""
        ...

    @property
    def algorithm(self) -> str:
        """In words, for the manifest."""
        ...

    @property
    def parameters(self) -> Parameters:
        """What it was told."""
        ...

    def fit(self, ground: Ground) -> Parts:
        """The parts of a version, with their weights."""
        ...


@dataclass(frozen=True)
class ALSModel:
    """Implicit ALS; each user is folded in when asked for."""

    parameters: ALSParameters = field(default_factory=ALSParameters)
    name = "als"

    @property
    def algorithm(self) -> str:
        """See `ListModel`."""
        return f"implicit ALS (solver {self.parameters.solver}), served by fold-in"

    def fit(self, ground: Ground) -> Parts:
        """See `ListModel`."""
        told, count = self.parameters, ground.items.num_rows
        if ground.spark is None:
            factors = item_factors(ground.given, told, items=count, seed=ground.seed)
        else:
            factors = train(
                ground.spark, ground.given, told, items=count, seed=ground.seed, checkpoints=ground.checkpoints / "als"
            )
        return {"als": als_part(factors, alpha=told.alpha, regularization=told.regularization)}


@dataclass(frozen=True)
class NeighbourModel:
    """Item to item by co-interaction: shrunk cosine, and EASE where the catalogue allows."""

    parameters: NeighbourParameters = field(default_factory=NeighbourParameters)
    name = "neighbours"

    @property
    def algorithm(self) -> str:
        """See `ListModel`."""
        return f"item to item by co-interaction (method {self.parameters.method})"

    def fit(self, ground: Ground) -> Parts:
        """See `ListModel`. With EASE the cosines stay as a part without weight, for items alike."""
        told, count = self.parameters, ground.items.num_rows
        near = co_interaction(ground.spark, rows_of(ground.given), count, shrink=told.shrink, most=told.neighbours)
        cosine = near_part(Kind.NEIGHBOURS, near, {"neighbours": told.neighbours, "shrink": told.shrink})
        if told.method == "cosine" or (told.method == "auto" and count > told.dense_items):
            return {"neighbours": cosine}
        weights = fit_ease(ground.given, count, regularization=told.regularization).weights
        dense = ease_part(weights, {"regularization": told.regularization})
        return {"neighbours": cosine.weighing(0), "ease": dense}


@dataclass(frozen=True)
class ContentModel:
    """Item to item by what the catalogue says, so an item has neighbours before anybody touched it."""

    parameters: ContentParameters = field(default_factory=ContentParameters)
    name = "content"
    algorithm = "item to item by TF-IDF of the catalogue's fields"

    def fit(self, ground: Ground) -> Parts:
        """See `ListModel`."""
        rows, terms = content_rows(ground.items, self.parameters)
        near = nearest(ground.spark, rows, transposed(rows, terms), shrink=0.0, most=self.parameters.neighbours)
        return {"content": near_part(Kind.CONTENT, near, self.parameters.flat())}


@dataclass(frozen=True)
class PopularityModel:
    """Users of an item, of whom those long ago count less."""

    parameters: PopularityParameters = field(default_factory=PopularityParameters)
    name = "popularity"
    algorithm = "popularity, decayed by half-life"

    def fit(self, ground: Ground) -> Parts:
        """See `ListModel`."""
        counts = decayed(ground.given.items, ground.days, ground.items.num_rows, self.parameters.half_life_days)
        return {"popularity": popularity_part(counts, self.parameters.flat())}


@dataclass(frozen=True)
class BlendModel:
    """All of them as one: the weighted sum of their scores, each brought to mean 0 and deviation 1 for a user."""

    parameters: BlendParameters = field(default_factory=BlendParameters)
    weights: Mapping[str, float] | None = None
    """By part, chosen on the validation window; None before that."""
    name = "blend"
    algorithm = "blend, its weights chosen on the validation window by forward selection"

    def fit(self, ground: Ground) -> Parts:
        """See `ListModel`. Raises SaranError before weights were chosen."""
        if self.weights is None:
            raise SaranError(
                "no user has enough events for a validation window, so the blend's weights cannot be chosen",
                fix="load more events, or train another model: `saran train recommender`",
            )
        return {name: part.weighing(self.weights.get(name, 0.0)) for name, part in self._parts(ground).items()}

    def chosen(self, ground: Ground, fold: Fold) -> BlendModel:
        """The blend with weights that are best on `fold`, whose learnt part is what `ground` holds."""
        scores: dict[str, list[Scores]] = {}
        for name, part in self._parts(ground).items():
            scorer = item_scorer(name, part) or Popularity(part.arrays["counts"])
            scores[name] = [scorer.scores(fold.histories, len(fold.relevant))]
        choice = search_blend(scores, [fold], GOAL, trials=self.parameters.trials, tell=lambda *_: None)
        return replace(self, weights=choice.parameters)

    def _parts(self, ground: Ground) -> Parts:
        told = self.parameters
        models: tuple[ListModel, ...] = (
            NeighbourModel(told.neighbours),
            ALSModel(told.als),
            ContentModel(told.content),
            PopularityModel(told.popularity),
        )
        return {name: part for model in models for name, part in model.fit(ground).items()}


_MODELS: Final[Mapping[type[Parameters], Callable[[Any], ListModel]]] = MappingProxyType(
    {
        ALSParameters: ALSModel,
        NeighbourParameters: NeighbourModel,
        ContentParameters: ContentModel,
        PopularityParameters: PopularityModel,
        BlendParameters: BlendModel,
    }
)


def model_of(parameters: Parameters, again: Manifest | None = None) -> ListModel:
    """The model that is told `parameters`; a blend that is made `again` keeps its weights."""
    model = _MODELS[type(parameters)](parameters)
    if isinstance(model, BlendModel) and again is not None:
        return replace(model, weights={name: part.weight for name, part in again.parts.items()})
    return model


def neighbours_of(model: ListModel) -> NeighbourParameters | None:
    """What the model's item-to-item part is told; None where it has none."""
    if isinstance(model, BlendModel):
        return model.parameters.neighbours
    return model.parameters if isinstance(model, NeighbourModel) else None


def model_again(recipe: Manifest) -> ListModel:
    """The model that made a version, by its parts."""
    kinds = {part.kind for part in recipe.parts.values()} - WEIGHTLESS
    told: type[Parameters]
    if len(kinds) > 2:
        told = BlendParameters
    elif Kind.NEIGHBOURS in kinds:
        told = NeighbourParameters
    else:
        of_kind: dict[Kind, type[Parameters]] = {
            Kind.ALS: ALSParameters,
            Kind.CONTENT: ContentParameters,
            Kind.POPULARITY: PopularityParameters,
        }
        told = of_kind[next(iter(kinds))]
    return model_of(told.of(recipe.parameters), recipe)


def decayed(items: IntArray, days: IntArray, count: int, half_life: float) -> FloatArray:
    """How many users each of `count` items has; one whose newest event is `half_life` days older counts half."""
    return np.bincount(items, weights=shares(days, half_life), minlength=count).astype(np.float64)


def shares(days: IntArray, half_life: float) -> FloatArray:
    """What each pair counts by its newest event: 1 on the newest day of all, half `half_life` days before."""
    newest = days.max() if len(days) else 0
    counted: FloatArray = np.exp2((days - newest) / half_life)
    return counted
