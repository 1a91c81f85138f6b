"""Models of the next item in an anonymous session; items of the session may come again, so none is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from saran.core.next_items import Repeats
from saran.spark import session_kernel as kernel
from saran.spark.model_kinds import NoParameters, log_uniform
from saran.spark.parameter_search import Space
from saran.spark.session_files import Sequences
from saran.spark.session_kernel import Answers, Prefixes, Trained
from saran.spark.session_repeats import count_repeats, repeats_of

ASSOCIATION_RULES: Final = "association-rules"
V_SKNN: Final = "v-sknn"
SESSIONS: Final = "sessions"
"""Saran's own: a mixture of rules, near sessions and what comes again."""

KEPT: Final = 200
"""Items that a model names for a prefix."""

Fall = Literal["same", "linear", "div", "quadratic", "log"]
"""How weights fall with the number of places."""

_FALLS: Final[tuple[Fall, ...]] = ("same", "linear", "div", "quadratic", "log")


@dataclass(frozen=True)
class Visits:
    """Training sessions, oldest first, and where each item stands in them. Immutable."""

    sessions: Sequences
    item_count: int

    @cached_property
    def plain(self) -> Trained:
        """As arrays, in which all sessions count the same."""
        starts, items = self.sessions
        visit_starts = np.zeros(self.item_count + 1, dtype=np.int64)
        np.cumsum(np.bincount(items, minlength=self.item_count), out=visit_starts[1:])
        return Trained(
            starts,
            items,
            self.sessions.sequence_of(),
            np.ones(self.sessions.size),
            visit_starts,
            np.argsort(items, kind="stable"),
        )

    def weighed(self, half_life: float, length_power: float = 0.0) -> Trained:
        """Sessions count half for each `half_life` (a share of all) that came later, over length ** `length_power`."""
        age = np.arange(self.sessions.size)[::-1] / self.sessions.size
        return self.plain._replace(weights=0.5 ** (age / half_life) / self.sessions.lengths() ** length_power)

    @cached_property
    def repeats(self) -> Repeats:
        """How often what a session had comes next again."""
        return repeats_of(*count_repeats(self.sessions.items.astype(np.int64), self.sessions.sequence_of()))

    @cached_property
    def idf(self) -> NDArray[np.float64]:
        """log(sessions / sessions with the item), shape (items,)."""
        with_item = np.unique(self.plain.session_of * self.item_count + self.sessions.items) % self.item_count
        counts = np.bincount(with_item, minlength=self.item_count)
        return np.asarray(np.log(self.sessions.size / np.maximum(counts, 1)))


class VSkNNParameters(BaseModel):
    """Of V-SkNN; the first values are those its authors set out from."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    neighbours: int = Field(default=100, ge=1)
    """Sessions that vote."""

    sample: int = Field(default=1000, ge=1)
    """Newest sessions with a shared item, of which the neighbours are the most similar."""

    weighting: Fall = "div"
    """How much less an item of the prefix counts, the older it is."""

    weighting_score: Fall = "div"
    """How much less a neighbour's votes count, the older the newest shared item is."""

    idf: float = Field(default=0.0, ge=0)
    """How much more rare items count."""


class RuleParameters(BaseModel):
    """Of rules from the last items to those around them in older sessions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    sources: int = Field(default=3, ge=1)
    """Last items of the prefix that have a say."""

    source_rate: float = Field(default=1.0, gt=0)
    """Steps from the prefix's end at which an item's say has fallen to 1 / e."""

    rate: float = Field(default=2.0, gt=0)
    """Steps in the older session, likewise."""

    back: float = Field(default=0.2, ge=0)
    """What an item that stood before counts of one that stood after."""

    half_life: float = Field(default=1.0, gt=0)
    """Age of a session, as a share of all, at which it counts half."""


class NeighbourParameters(BaseModel):
    """Of session neighbours that weigh places and ages, after STAN (Garg et al.: "Sequence and Time Aware
    Neighborhood for Session-based Recommendations", SIGIR 2019)."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    neighbours: int = Field(default=500, ge=1)
    """Sessions that vote."""

    position_rate: float = Field(default=3.0, gt=0)
    """Steps from the prefix's end at which a shared item counts 1 / e."""

    distance_rate: float = Field(default=3.0, gt=0)
    """Steps from the shared item in the neighbour at which another item counts 1 / e."""

    back: float = Field(default=0.5, ge=0)
    """What an item up to the shared one counts of one that stood after."""

    length_power: float = Field(default=0.5, ge=0)
    """How much less long sessions count."""

    half_life: float = Field(default=1.0, gt=0)
    """Age of a session, as a share of all, at which it counts half."""


_P = TypeVar("_P", bound=BaseModel)


@dataclass(frozen=True)
class SessionKind(Space[_P]):
    """A model class. `answer` gets training, parameters and prefixes, and names at most `KEPT` items for each."""

    answer: Callable[[Visits, _P, Sequences], Answers]


def association_rules(visits: Visits, _: NoParameters, prefixes: Sequences) -> Answers:
    """How often an item stood in a session with the prefix's last item, wherever in it.

    Rules of size two of Ludewig, Jannach: "Evaluation of session-based recommendation algorithms", UMUAI 2018, 3.1.
    """
    room = empty_answers(prefixes.size)
    last = np.where(prefixes.from_end() == 1, 1.0, 0.0)
    kernel.followers(visits.plain, Prefixes(*prefixes, last), np.inf, 1.0, room)
    return room


def v_sknn(visits: Visits, parameters: VSkNNParameters, prefixes: Sequences) -> Answers:
    """Session kNN that gives the newer items of the prefix more weight. Ludewig, Jannach 2018, 3.2; with the IDF
    factor of Ludewig et al.: "Empirical analysis of session-based recommendation algorithms", UMUAI 2020."""
    room = empty_answers(prefixes.size)
    lengths = prefixes.lengths()
    steps = np.arange(1, lengths.max(initial=0) + 1)
    kernel.neighbours(
        visits.plain,
        1.0 + parameters.idf * visits.idf,
        Prefixes(*prefixes, place_weights(parameters.weighting, prefixes.from_end(), np.repeat(lengths, lengths))),
        step_weights(parameters.weighting_score, steps),
        parameters.neighbours,
        parameters.sample,
        True,
        np.inf,
        1.0,
        room,
    )
    return room


def place_weights(fall: Fall, steps: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights of places that are so many `steps` from the end of prefixes of `lengths`; the last is at step 1."""
    weights: dict[Fall, Callable[[], NDArray[Any]]] = {
        "same": lambda: np.ones(len(steps)),
        "linear": lambda: np.maximum(0.0, 1.0 - 0.1 * (steps - 1)),
        "div": lambda: (lengths - steps + 1) / lengths,
        "quadratic": lambda: ((lengths - steps + 1) / lengths) ** 2,
        "log": lambda: 1.0 / np.log10(steps + 0.7),
    }
    return weights[fall]()


def step_weights(fall: Fall, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights of neighbours whose newest shared item is so many `steps` from the end; the last is at step 1."""
    weights: dict[Fall, Callable[[], NDArray[Any]]] = {
        "same": lambda: np.ones(len(steps)),
        "linear": lambda: np.maximum(0.0, 1.0 - 0.1 * steps),
        "div": lambda: 1.0 / steps,
        "quadratic": lambda: 1.0 / steps**2,
        "log": lambda: 1.0 / np.log10(steps + 1.7),
    }
    return weights[fall]()


def empty_answers(prefixes: int) -> Answers:
    """No items for so many prefixes: arrays to write to."""
    return Answers(
        np.zeros((prefixes, KEPT), dtype=np.int32),
        np.zeros((prefixes, KEPT), dtype=np.float32),
        np.zeros(prefixes, dtype=np.int64),
    )


def _rules(visits: Visits, own: RuleParameters, prefixes: Sequences) -> Answers:
    room = empty_answers(prefixes.size)
    steps = prefixes.from_end()
    weights = np.where(steps <= own.sources, np.exp(-(steps - 1) / own.source_rate), 0.0)
    kernel.followers(visits.weighed(own.half_life), Prefixes(*prefixes, weights), own.rate, own.back, room)
    return room


def _near_sessions(visits: Visits, own: NeighbourParameters, prefixes: Sequences) -> Answers:
    room = empty_answers(prefixes.size)
    kernel.neighbours(
        visits.weighed(own.half_life, own.length_power),
        np.ones(visits.item_count),
        Prefixes(*prefixes, np.exp(-(prefixes.from_end() - 1) / own.position_rate)),
        np.ones(prefixes.lengths().max(initial=0)),
        own.neighbours,
        visits.sessions.size,
        False,
        own.distance_rate,
        own.back,
        room,
    )
    return room


def _repeats(visits: Visits, _: NoParameters, prefixes: Sequences) -> Answers:
    """Items of the prefix, by how often items met so long ago, and so many times, came next in training."""
    room = empty_answers(prefixes.size)
    weights = np.ones(len(prefixes.items))
    kernel.repeats(Prefixes(*prefixes, weights), visits.repeats.chances, visits.item_count, room)
    return room


def _draw_v_sknn(rng: np.random.Generator) -> VSkNNParameters:
    return VSkNNParameters(
        neighbours=int(rng.choice((50, 100, 200, 500, 1000, 1500))),
        sample=int(rng.choice((500, 1000, 2500, 5000, 10_000))),
        weighting=_FALLS[rng.integers(len(_FALLS))],
        weighting_score=_FALLS[rng.integers(len(_FALLS))],
        idf=float(rng.choice((0, 1, 2, 5, 10))),
    )


def _draw_rules(rng: np.random.Generator) -> RuleParameters:
    return RuleParameters(
        sources=int(rng.integers(1, 11)),
        source_rate=log_uniform(rng, 0.3, 5),
        rate=log_uniform(rng, 0.5, 10),
        back=round(rng.uniform(0, 1), 3),
        half_life=log_uniform(rng, 0.1, 10),
    )


def _draw_near_sessions(rng: np.random.Generator) -> NeighbourParameters:
    return NeighbourParameters(
        neighbours=int(rng.choice((100, 200, 500, 1000, 2000))),
        position_rate=log_uniform(rng, 0.5, 20),
        distance_rate=log_uniform(rng, 0.5, 20),
        back=round(rng.uniform(0, 1), 3),
        length_power=round(rng.uniform(0, 1), 3),
        half_life=log_uniform(rng, 0.1, 10),
    )


BASELINES: Final[Mapping[str, SessionKind[Any]]] = MappingProxyType(
    {
        ASSOCIATION_RULES: SessionKind(NoParameters, lambda _: NoParameters(), association_rules),
        V_SKNN: SessionKind(VSkNNParameters, _draw_v_sknn, v_sknn),
    }
)
PARTS: Final[Mapping[str, SessionKind[Any]]] = MappingProxyType(
    {
        "rules": SessionKind(RuleParameters, _draw_rules, _rules),
        "near-sessions": SessionKind(NeighbourParameters, _draw_near_sessions, _near_sessions),
        "repeats": SessionKind(NoParameters, lambda _: NoParameters(), _repeats),
    }
)
"""What the session recommender is mixed of."""


def mixture(parts: Sequence[Answers], weights: Sequence[float], item_count: int) -> Answers:
    """The weighted sum of what the parts say, each part's scores of a prefix brought to the sum 1."""
    room = empty_answers(len(parts[0].lengths))
    shares = [part.scores / np.maximum(part.scores.sum(axis=1, keepdims=True), 1e-30) for part in parts]
    kernel.mix(
        np.stack([part.items for part in parts]),
        np.stack(shares),
        np.stack([part.lengths for part in parts]),
        np.array(weights, dtype=np.float64),
        item_count,
        room,
    )
    return room
