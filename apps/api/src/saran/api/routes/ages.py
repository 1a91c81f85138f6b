"""What is popular for an age: items by their age class, which a certificate gives or the data set's spec derives.

Where users have ages, what those of this age like comes first.
"""

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
from saran.core.age_groups import Liked
from saran.core.api_shapes import AgedCard, ForAge, UsersOfAge
from saran.core.confidence import IntArray
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

    Where users have ages and 10 or more are of this age group, what they like comes first, then what everybody likes.
    Where no item is for that age, the list is empty and `note` says why.
    """
    return for_age(served_model(state), age, limit, own_class=own_class)


def for_age(served: Served, age: int, limit: int, *, own_class: bool) -> ForAge:
    """The answer of a served version."""
    least = served.columns.least_ages
    allowed = least <= age
    own = int(least[allowed].max()) if allowed.any() else None
    rows = np.flatnonzero(least == own if own_class and own is not None else allowed)
    liked = _liked(served, age, rows)
    first = [] if liked is None else liked.items[:limit].tolist()
    rest = np.setdiff1d(rows, first)
    ranked = rank(served.recommender, NOTHING, rest, Ordering(limit=limit)).ranked
    users = None if liked is None else dict(zip(first, liked.users.tolist(), strict=False))
    items = [
        _card(served.catalogue.item(row), place, None if users is None else users.get(row, 0))
        for place, row in enumerate([*first, *ranked.items.tolist()][:limit], start=1)
    ]
    shown = {item.age_provenance for item in items}
    return ForAge(
        recommendation_id=recommendation_id().decode(),
        age=age,
        own_class=own_class,
        source="popular" if liked is None else "age_group",
        age_group=None if liked is None else UsersOfAge(name=liked.group.name, people=liked.group.people),
        model_version=served.manifest.version,
        as_of=served.manifest.newest_event,
        provenance=next((origin.value for origin in _LEAST_CERTAIN_FIRST if origin.value in shown), None),
        synthetic=served.manifest.synthetic,
        items=items,
        note=None if len(rows) else _why_empty(least, age),
    )


def _liked(served: Served, age: int, rows: IntArray) -> Liked | None:
    """What users of the age like of `rows`; None where that is nothing, or not known."""
    ages = served.recommender.ages
    liked = None if ages is None else ages.of(age)
    if liked is None:
        return None
    kept = np.isin(liked.items, rows)
    return liked.only(kept) if kept.any() else None


def _card(item: dict[str, object], place: int, users: int | None) -> AgedCard:
    attributes = item.pop("attributes")
    source = attributes.get(Attribute.AGE_RATING_SOURCE) if isinstance(attributes, dict) else None
    # A catalogue that has ages of its own need not say so; the score of rank r is 1 / r, as in every popular list.
    told = {
        **item,
        "score": 1 / place,
        "rank": place,
        "age_provenance": source or Origin.GIVEN.value,
        "users": users,
    }
    return AgedCard.model_validate(told)


def _why_empty(least: np.ndarray[tuple[int], np.dtype[np.int8]], age: int) -> str:
    rated = least[least != UNRATED]
    if not len(rated):
        return "no item of this model has an age rating: the data set gives none, and its spec derives none"
    return f"no item of this model is for somebody of {age}: the lowest age class is {int(rated.min())}+"
