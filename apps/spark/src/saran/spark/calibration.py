"""From a forest's score to a probability: Platt's scaling, in double.

Platt: "Probabilistic Outputs for Support Vector Machines and Comparisons to Regularized Likelihood Methods", 1999.
A forest that was trained on weighted classes ranks well and is far from the share of buyers; one slope and one
intercept over its logit, fitted on visitors that it has not seen, bring it there and keep the order.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

CLIP: Final = 1e-6
"""Votes nearer to 0 or 1 are taken for this, so that each has a logit."""

_STEPS: Final = 50
_SMALL: Final = 1e-10


class Calibration(NamedTuple):
    """probability = 1 / (1 + exp(-(slope × logit + intercept)))."""

    slope: float
    intercept: float

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of scores, shape (n,)."""
        chances: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-(self.slope * logits + self.intercept)))
        return chances

    def column(self, logit: Column) -> Column:
        """The same in Spark."""
        return F.lit(1.0) / (F.lit(1.0) + F.exp(-(F.lit(self.slope) * logit + F.lit(self.intercept))))


def fit(logits: NDArray[np.float64], bought: NDArray[np.bool_]) -> Calibration:
    """The likeliest slope and intercept, by Newton's steps; both classes must be there.

    Labels are Platt's (n + 1) / (n + 2) and 1 / (n + 2), which keeps both finite where a score parts the classes. A
    score that ranks worse than chance keeps its order all the same: the slope is not below 0.
    """
    buyers = int(bought.sum())
    wanted = np.where(bought, (buyers + 1) / (buyers + 2), 1 / (len(bought) - buyers + 2))
    design = np.column_stack([logits, np.ones(len(logits))])
    share = wanted.mean()
    weights = np.array([0.0, np.log(share / (1 - share))])
    loss = _loss(weights, design, wanted)
    for _ in range(_STEPS):
        chances = Calibration(*weights).probabilities(logits)
        gradient = design.T @ (wanted - chances)
        curvature = (design.T * (chances * (1 - chances))) @ design + _SMALL * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        # Where buyers are few a whole step can overshoot, and the next one further.
        while _loss(weights + step, design, wanted) > loss and np.abs(step).max() > _SMALL:
            step = step / 2
        if np.abs(step).max() <= _SMALL:
            break
        weights = weights + step
        loss = _loss(weights, design, wanted)
    if weights[0] < 0:
        return Calibration(0.0, float(np.log(share / (1 - share))))
    return Calibration(float(weights[0]), float(weights[1]))


def _loss(weights: NDArray[np.float64], design: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Minus the logarithm of the likelihood."""
    scores = design @ weights
    return float((np.logaddexp(0.0, scores) - wanted * scores).sum())
