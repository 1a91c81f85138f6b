"""What the trainer of the recommender can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from saran.spark.parameters import Parameters


class ALSParameters(Parameters):
    """Parameters of implicit ALS.

    The defaults were chosen on MovieLens latest small, on a validation part of the training events: near the best
    lists that were found, at a rank that trains in seconds.
    """

    subject = "ALS"

    solver: Literal["conjugate", "mllib"] = "conjugate"
    """`conjugate` takes a few steps of conjugate gradients a row, in compiled code; `mllib` is Spark's own, exact and
    many times slower."""

    rank: int = Field(default=40, ge=1, le=1024)
    """Length k of a factor. Time grows with its square (with `mllib` its cube), the model's size with itself."""

    regularization: float = Field(default=0.05, gt=0)
    """Multiplied by the number of a user's (an item's) interactions. More keeps factors of short histories small."""

    alpha: float = Field(default=0.5, gt=0)
    """Confidence in a pair is 1 + alpha × strength; a pair without an event has confidence 1 in no interest."""

    iterations: int = Field(default=10, ge=1, le=1000)
    """Each solves all users and all items once."""

    steps: int = Field(default=3, ge=1, le=100)
    """Of conjugate gradients for each row and iteration; `mllib` has none."""

    blocks: int = Field(default=2, ge=1, le=1024)
    """Parts that users and items are cut into, and so the most cores used. The same number gives the same factors
    (with `mllib` on several machines, sums can be added up in another order)."""
