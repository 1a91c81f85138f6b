"""What is popular for an age: by the age class of items, which a certificate gives or the data set's spec derives."""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from fastapi import APIRouter, Depends, Path, Query

from saran.api.batcher import NOTHING
from saran.api.model_store import Served
from saran.api.parameters import Limit
from saran.api.recommendation_ids import recommendation_id
from saran.api.routes.recommendations import served_model
from saran.api.state import State, state_of
from saran.core import limits
from saran.core.api_shapes import AgedCard, ForAge
from saran.core.datasets.spec import Origin
from saran.core.filters import UNRATED
from saran.core.list_options import Ordering
from saran.core.listing import rank
from saran.core.names import Attribute

router = APIRouter(tags=["recommendations"])

_LEAST_CERTAIN_FIRST: Final = (Origin.SIMULATED, Origin.DERIVED, Origin.GIVEN)


@router.get(
    "/recommendations/by-age/{age}",
    responses={503: {"description": "No model was ever trained"}},
    summary="What is popular of what somebody of an age may see",
)
def by_age(
    state: Annotated[State, Depends(state_of)],
    age: Annotated[int, Path(ge=0, le=limits.MAX_AGE, description="In years")],
    limit: Limit = 10,
    own_class: Annotated[bool, Query(description="Only items of the highest age class that lets the age in")] = False,
) -> ForAge:
    """Items whose age class lets somebody of `age` in, most popular first. Items without an age class are in no list.

    Where no item is for that age, the list is empty and `note` says why.
    """
    return for_age(served_model(state), age, limit, own_class=own_class)


def for_age(served: Served, age: int, limit: int, *, own_class: bool) -> ForAge:
    """The answer of a served version."""
    least = served.columns.least_ages
    allowed = least <= age
    own = int(least[allowed].max()) if allowed.any() else None
    rows = np.flatnonzero(least == own if own_class and own is not None else allowed)
    ranked = rank(served.recommender, NOTHING, rows, Ordering(limit=limit)).ranked
    items = [
        _card(served.catalogue.item(row), place, score)
        for place, (row, score) in enumerate(zip(ranked.items.tolist(), ranked.scores.tolist(), strict=True), start=1)
    ]
    shown = {item.age_provenance for item in items}
    return ForAge(
        recommendation_id=recommendation_id().decode(),
        age=age,
        own_class=own_class,
        source="popular",
        model_version=served.manifest.version,
        as_of=served.manifest.newest_event,
        provenance=next((origin.value for origin in _LEAST_CERTAIN_FIRST if origin.value in shown), None),
        synthetic=served.manifest.synthetic,
        items=items,
        note=None if len(rows) else _why_empty(least, age),
    )


def _card(item: dict[str, object], place: int, score: float) -> AgedCard:
    attributes = item.pop("attributes")
    source = attributes.get(Attribute.AGE_RATING_SOURCE) if isinstance(attributes, dict) else None
    # A catalogue that has ages of its own need not say so.
    told = {**item, "score": score, "rank": place, "age_provenance": source or Origin.GIVEN.value}
    return AgedCard.model_validate(told)


def _why_empty(least: np.ndarray[tuple[int], np.dtype[np.int8]], age: int) -> str:
    rated = least[least != UNRATED]
    if not len(rated):
        return "no item of this model has an age rating: the data set gives none, and its spec derives none"
    return f"no item of this model is for somebody of {age}: the lowest age class is {int(rated.min())}+"
