"""Session models as plain loops that follow their papers word by word, and sessions to try them on."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import product
from math import log10
from typing import Final

import numpy as np

from saran.spark.session_models import NeighbourParameters, RuleParameters, VSkNNParameters

Rows = list[list[int]]

ITEMS: Final = 30


def made_up(count: int = 200, *, seed: int = 1) -> Rows:
    """Sessions of six that walk around a ring of items, now and then back to where they were."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        row = [int(rng.integers(ITEMS))]
        while len(row) < 6:
            row.append(int(rng.choice(row)) if rng.random() < 0.3 else (row[-1] + int(rng.integers(1, 4))) % ITEMS)
        rows.append(row)
    return rows


TRAIN: Final = made_up(60)
"""Oldest first; what the loops learn from."""


def plain_association_rules(prefix: list[int]) -> dict[int, float]:
    """Ludewig, Jannach 2018, equation 1, without its constant: every pair of different places counts."""
    scores: dict[int, float] = defaultdict(float)
    for session in TRAIN:
        for x, y in product(range(len(session)), repeat=2):
            if x != y and session[x] == prefix[-1]:
                scores[session[y]] += 1
    return scores


def plain_v_sknn(prefix: list[int], own: VSkNNParameters) -> dict[int, float]:
    """Ludewig, Jannach 2018, 3.2, with the weights of its authors' program."""
    length = len(prefix)

    def place_weight(i: int) -> float:
        return {
            "same": 1.0,
            "linear": max(0.0, 1 - 0.1 * (length - i)),
            "div": i / length,
            "quadratic": (i / length) ** 2,
            "log": 1 / log10(length - i + 1.7),
        }[own.weighting]

    def step_weight(i: int) -> float:
        return {
            "same": 1.0,
            "linear": max(0.0, 1 - 0.1 * i),
            "div": 1 / i,
            "quadratic": 1 / i**2,
            "log": 1 / log10(i + 1.7),
        }[own.weighting_score]

    places = {item: place_weight(place) for place, item in enumerate(prefix, start=1) if item not in prefix[place:]}
    shared = [number for number, session in enumerate(TRAIN) if set(session) & set(prefix)]
    newest = shared[::-1][: own.sample]
    similarity = {number: sum(places[item] for item in places if item in TRAIN[number]) for number in newest}
    nearest = sorted(newest, key=lambda number: -similarity[number])[: own.neighbours]
    with_item = Counter(item for session in TRAIN for item in set(session))
    scores: dict[int, float] = defaultdict(float)
    for number in nearest:
        step = next(step for step, item in enumerate(reversed(prefix), start=1) if item in TRAIN[number])
        for item in set(TRAIN[number]):
            rare = 1 + own.idf * np.log(len(TRAIN) / with_item[item])
            scores[item] += similarity[number] * step_weight(step) * rare
    return scores


def plain_rules(prefix: list[int], own: RuleParameters) -> dict[int, float]:
    """As the parameters say."""
    scores: dict[int, float] = defaultdict(float)
    for steps, source in enumerate(reversed(prefix[-own.sources :])):
        for age, session in enumerate(reversed(TRAIN)):
            for x, y in product(range(len(session)), repeat=2):
                if x != y and session[x] == source:
                    near = np.exp(-steps / own.source_rate) * np.exp(-(abs(y - x) - 1) / own.rate)
                    fresh = 0.5 ** (age / len(TRAIN) / own.half_life)
                    scores[session[y]] += near * fresh * (own.back if y < x else 1.0)
    return scores


def plain_near_sessions(prefix: list[int], own: NeighbourParameters) -> dict[int, float]:
    """As the parameters say."""
    steps = {item: len(prefix) - place for place, item in enumerate(prefix, start=1)}
    alike: list[tuple[float, list[int]]] = []
    for age, session in enumerate(reversed(TRAIN)):
        shared = sum(np.exp(-steps[item] / own.position_rate) for item in set(session) & set(prefix))
        alike.append((shared * 0.5 ** (age / len(TRAIN) / own.half_life) / len(session) ** own.length_power, session))
    scores: dict[int, float] = defaultdict(float)
    for similarity, session in sorted(alike, key=lambda pair: -pair[0])[: own.neighbours]:
        if similarity > 0:
            newest = min(set(session) & set(prefix), key=lambda item: steps[item])
            anchor = max(place for place, item in enumerate(session) if item == newest)
            for place, item in enumerate(session):
                vote = similarity * np.exp(-abs(place - anchor) / own.distance_rate)
                scores[item] += vote * (own.back if place <= anchor else 1.0)
    return scores


def plain_repeats(prefix: list[int], rows: Rows) -> dict[int, float]:
    """How often an item came next, of the times it was met so many steps ago (to 30) so many times (to 4)."""

    def states(before: list[int]) -> dict[int, tuple[int, int]]:
        last = {item: place for place, item in enumerate(before)}
        return {item: (min(len(before) - at, 30), min(before.count(item), 4)) for item, at in last.items()}

    chances: Counter[tuple[int, int]] = Counter()
    returns: Counter[tuple[int, int]] = Counter()
    for row in rows:
        for at in range(1, len(row)):
            for item, state in states(row[:at]).items():
                chances[state] += 1
                returns[state] += item == row[at]
    return {item: returns[state] / max(chances[state], 1) for item, state in states(prefix).items()}
