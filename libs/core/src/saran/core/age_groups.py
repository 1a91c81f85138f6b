"""Groups of users by age, and what each of them likes: a part of a model version where users have ages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

AGE_STARTS: Final = (0, 13, 18, 25, 35, 45, 55)
"""The age that each group begins with; the last one has no end."""

LEAST_PEOPLE: Final = 10
"""Fewer than so many make no list: it would say little of an age, and much of each of them."""


class AgeGroup(NamedTuple):
    """Users from `least` to `most` years, None for no end."""

    least: int
    most: int | None
    people: int
    """Those who liked something."""

    @property
    def name(self) -> str:
        """As in tables and on pages."""
        return f"{self.least}+" if self.most is None else f"{self.least}-{self.most}"


class Liked(NamedTuple):
    """What a group likes, most of all first: item indices, how much (decayed), and by how many of the group."""

    group: AgeGroup
    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    users: NDArray[np.int32]

    def only(self, kept: NDArray[np.bool_]) -> Liked:
        """Those that a mask of its items keeps."""
        return self._replace(items=self.items[kept], scores=self.scores[kept], users=self.users[kept])


class AgeGroups:
    """What each group likes, from the arrays of a part without faults (`saran.core.model_parts.ARRAYS`)."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self._least: list[int] = arrays["least"].tolist()

    def of(self, age: int) -> Liked | None:
        """What the group of an age, 0 or more, likes; None where too few are in it."""
        place = int(np.searchsorted(self._least, age, side="right")) - 1
        liked = self._at(place)
        return liked if len(liked.items) else None

    def every(self) -> list[Liked]:
        """The groups that have a list, by age."""
        groups = (self._at(place) for place in range(len(self._least)))
        return [liked for liked in groups if len(liked.items)]

    def _at(self, place: int) -> Liked:
        ends = [start - 1 for start in self._least[1:]]
        group = AgeGroup(
            self._least[place],
            ends[place] if place < len(ends) else None,
            int(self._arrays["people"][place]),
        )
        mine = slice(*self._arrays["starts"][place : place + 2].tolist())
        return Liked(group, self._arrays["items"][mine], self._arrays["scores"][mine], self._arrays["users"][mine])
