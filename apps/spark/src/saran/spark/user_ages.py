"""What users of an age like: interactions by the age group of the users whose birth years silver.users has."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from saran.core.age_groups import AGE_STARTS, LEAST_PEOPLE
from saran.core.confidence import IntArray
from saran.core.model_parts import Part, ages_part
from saran.spark.list_models import Ground, shares

_NONE: Final = -1


def read_birth_years(users: DeltaTable) -> pa.Table | None:
    """Columns user_id and birth_year of silver.users, of those who have one; None where nobody has."""
    known = users.to_pyarrow_table(columns=["user_id", "birth_year"], filters=[("birth_year", ">", 0)])
    return known.combine_chunks() if known.num_rows else None


def ages_of(
    ground: Ground, user_ids: list[str], birth_years: pa.Table, newest: datetime | None, half_life_days: float
) -> dict[str, Part]:
    """The part `ages`: what each group likes, most of all first. Empty where no group has `LEAST_PEOPLE` with interest.

    `user_ids` are the users of `ground.given`. A user is as old as the year of the newest event makes them. What an
    item counts is as in popularity: each user of the group once, less the longer ago.
    """
    if newest is None:
        return {}
    groups = _groups(user_ids, birth_years, newest.year)
    people = np.bincount(groups[np.unique(ground.given.users)] + 1, minlength=len(AGE_STARTS) + 1)[1:]
    groups[~np.isin(groups, np.flatnonzero(people >= LEAST_PEOPLE))] = _NONE
    group = groups[ground.given.users]
    inside = group != _NONE
    if not inside.any():
        return {}
    count = ground.items.num_rows
    pairs, pair_of = np.unique(group[inside] * count + ground.given.items[inside], return_inverse=True)
    users = np.bincount(pair_of)
    scores = np.bincount(pair_of, weights=shares(ground.days, half_life_days)[inside]).astype(np.float32)
    # What was liked so long ago that it counts nothing is no list's.
    some = scores > 0
    pairs, users, scores = pairs[some], users[some], scores[some]
    owner, item = np.divmod(pairs, count)
    order = np.lexsort((item, -users, -scores, owner))
    starts = np.searchsorted(owner[order], np.arange(len(AGE_STARTS) + 1))
    part = ages_part(
        {
            "least": np.array(AGE_STARTS, dtype=np.int16),
            "people": people.astype(np.int32),
            "starts": starts.astype(np.int64),
            "items": item[order].astype(np.int32),
            "scores": scores[order],
            "users": users[order].astype(np.int32),
        },
        {"half_life_days": half_life_days, "year": newest.year},
    )
    return {"ages": part}


def _groups(user_ids: list[str], birth_years: pa.Table, year: int) -> IntArray:
    """The group of each user, `_NONE` where no age is known."""
    place = pc.index_in(pa.array(user_ids, pa.string()), value_set=birth_years.column("user_id"))
    born = birth_years.column("birth_year").take(place).fill_null(year + 1)
    ages = year - born.to_numpy().astype(np.int64)
    # Somebody of less than 0 years, known or not, is before the first group.
    return np.asarray(np.searchsorted(AGE_STARTS, ages, side="right") - 1, dtype=np.int64)
