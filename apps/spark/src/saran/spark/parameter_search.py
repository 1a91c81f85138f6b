"""Parameters and mixtures chosen within a budget of trials; what a trial is worth, the caller says.

The first trial is a model's defaults, the others are drawn at random: with few trials and few parameters that matter,
random search finds as good ones as more elaborate methods do (Bergstra, Bengio: "Random Search for Hyper-Parameter
Optimization", JMLR 2012), and needs no further package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

_P = TypeVar("_P", bound=BaseModel)
_Outcome = TypeVar("_Outcome")
_Mixture = TypeVar("_Mixture")

Tell = Callable[[str, int, int, str], None]
"""Told of progress: what is being done, how many steps are done, of how many, and a remark."""


@dataclass(frozen=True)
class Budget:
    """How to choose and measure; `ks` are list lengths, and parameters are chosen at the first."""

    ks: tuple[int, ...]
    trials: int = 30
    folds: int = 3
    seed: int = 42


@dataclass(frozen=True)
class Space(Generic[_P]):
    """What a model can be told: `parameters()` are the defaults, and `draw` gives others."""

    parameters: type[_P]
    draw: Callable[[np.random.Generator], _P]


class Choice(BaseModel):
    """The best parameters that were tried, the goal's metric on the folds with them, and how many were tried."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parameters: dict[str, Any]
    validation: float
    trials: int


@dataclass(frozen=True)
class Found(Generic[_Outcome]):
    """Parameters of a model that are among its best, their value, and what the trial made, such as scores by fold."""

    model: str
    parameters: BaseModel
    value: float
    outcome: _Outcome
    trials: int = 1
    """How many were tried for the model in all."""

    def choice(self) -> Choice:
        """For the report."""
        return Choice(parameters=self.parameters.model_dump(), validation=self.value, trials=self.trials)


def search(
    spaces: Mapping[str, Space[Any]],
    attempt: Callable[[str, Any], tuple[float, _Outcome]],
    *,
    keep: Mapping[str, int],
    budget: Budget,
    tell: Tell,
) -> dict[str, Found[_Outcome]]:
    """The best parameters of each model; `als #2` is what came second for `als`, and so on, as far as `keep` says.

    `attempt` gets a model's name and parameters, and answers with their value, more being better, and an outcome.
    """
    found: dict[str, Found[_Outcome]] = {}
    for model, space in spaces.items():
        best, tried = list[Found[_Outcome]](), list[BaseModel]()
        rng = np.random.default_rng(budget.seed)
        trials = budget.trials if space.parameters.model_fields else 1
        for trial in range(trials):
            parameters = space.draw(rng) if trial else space.parameters()
            if parameters not in tried:
                tried.append(parameters)
                best.append(Found(model, parameters, *attempt(model, parameters)))
                best = sorted(best, key=lambda one: -one.value)[: keep[model]]
            tell(f"choose {model}", trial + 1, trials, f"{best[0].value:.4f}")
        for place, one in enumerate(best, start=1):
            name = model if place == 1 else f"{model} #{place}"
            found[name] = Found(model, one.parameters, one.value, one.outcome, len(tried))
    return found


def select_forward(
    model: str,
    parts: Sequence[str],
    start: _Mixture,
    add: Callable[[_Mixture, str], _Mixture],
    value_of: Callable[[_Mixture], float],
    *,
    trials: int,
    tell: Tell,
) -> Choice:
    """Weights of the parts of `model`: the part that helps most gets one more vote, again and again.

    `start` is the mixture of nothing, and `add` gives one part one more vote. Adding to what is good already can
    hardly fit the folds' noise, as free weights would (Caruana et al.: "Ensemble Selection from Libraries of Models",
    ICML 2004). The best of all steps counts, and at most `trials` mixtures are tried.
    """
    votes = dict.fromkeys(parts, 0)
    best, weights, mixture, done = -1.0, dict[str, float](), start, 0
    while done < trials:
        values: dict[str, float] = {}
        for part in parts[: trials - done]:
            values[part] = value_of(add(mixture, part))
            done += 1
        better = max(values, key=values.__getitem__)
        votes[better] += 1
        mixture = add(mixture, better)
        if values[better] > best:
            best, weights = values[better], {part: vote / sum(votes.values()) for part, vote in votes.items() if vote}
        tell(f"choose {model}", done, trials, f"{best:.4f}")
    return Choice(parameters=weights, validation=best, trials=done)
