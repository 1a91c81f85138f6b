"""Who likes what: topics, popularity within them, and users with a leaning.

One model stands behind everything that Saran makes up: synthetic files, simulated interactions of a
catalogue without users, and live simulated users. It is simple on purpose: an item has one topic, a topic
belongs to a department, a user favours one topic and strays at times, mostly within its department.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TOPICS_A_DEPARTMENT: Final = 8
FAVOURITE: Final = 0.70
"""Chance that a session is about the user's favourite topic."""
DEPARTMENT: Final = 0.22
"""Chance that it is about another topic of the same department; what remains goes anywhere, by popularity."""
ON_TOPIC: Final = 0.90
"""Chance that one view of a session stays on the session's topic."""


@dataclass(frozen=True)
class Taste:
    """Items sorted by topic, with cumulative popularity, so that a draw is one binary search.

    `order` (items) holds item indices sorted by topic, `cumulative` (items + 1) their running popularity,
    `starts` (topics + 1) where each topic begins in `order`.
    """

    order: Ints
    cumulative: Floats
    starts: Ints

    @classmethod
    def of(cls, topics: Ints, popularity: Floats) -> Taste:
        """A model of items with the given topic (0, 1, …) and positive popularity, each of length items.

        Raises ValueError when there is no item or a popularity is not positive.
        """
        if not len(topics) or popularity.min() <= 0:
            raise ValueError("a taste model needs at least one item, and a popularity above 0 for each")
        order = np.argsort(topics, kind="stable").astype(np.int64)
        cumulative = np.concatenate([[0.0], np.cumsum(popularity[order])])
        counts = np.bincount(topics, minlength=int(topics.max()) + 1)
        return cls(order, cumulative, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))

    @property
    def topics(self) -> int:
        """How many topics there are."""
        return len(self.starts) - 1

    def draw_topics(self, rng: np.random.Generator, count: int) -> Ints:
        """`count` topics, each as likely as its items are popular."""
        bounds = self.cumulative[self.starts[1:]]
        drawn = np.searchsorted(bounds, rng.random(count) * bounds[-1], side="right")
        topics: Ints = np.minimum(drawn, self.topics - 1).astype(np.int64)
        return topics

    def session_topics(self, rng: np.random.Generator, favourites: Ints) -> Ints:
        """The topic of one session for each of the given favourite topics."""
        count = len(favourites)
        chance = rng.random(count)
        department = favourites - favourites % TOPICS_A_DEPARTMENT
        width = np.minimum(TOPICS_A_DEPARTMENT, self.topics - department)
        near = department + (rng.random(count) * width).astype(np.int64)
        near = np.where(self.starts[near + 1] > self.starts[near], near, favourites)
        anywhere = self.draw_topics(rng, count)
        return np.where(chance < FAVOURITE, favourites, np.where(chance < FAVOURITE + DEPARTMENT, near, anywhere))

    def draw_items(self, rng: np.random.Generator, topics: Ints) -> Ints:
        """One item index for each given session topic: of that topic (`ON_TOPIC`) or of any, by popularity."""
        strays = rng.random(len(topics)) >= ON_TOPIC
        low = np.where(strays, 0.0, self.cumulative[self.starts[topics]])
        high = np.where(strays, self.cumulative[-1], self.cumulative[self.starts[topics + 1]])
        points = low + rng.random(len(topics)) * (high - low)
        found = np.searchsorted(self.cumulative, points, side="right") - 1
        items: Ints = self.order[np.clip(found, 0, len(self.order) - 1)]
        return items


def heavy_tail(rng: np.random.Generator, count: int) -> Floats:
    """`count` popularities whose largest are thousands of times the median, as catalogues show."""
    return rng.lognormal(0.0, 1.5, count)
