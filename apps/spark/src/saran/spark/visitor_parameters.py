"""What the trainers of the visitor models can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from saran.spark.parameters import Parameters


class PurchaseParameters(Parameters):
    """Parameters of the purchase predictor."""

    subject = "the purchase predictor"

    algorithm: Literal["best", "forest", "boosted"] = "best"
    """`best` serves whichever of the two has the higher PR-AUC on the validation part."""

    sessions: bool = True
    """Whether a second predictor, from session features, is trained beside the one that the API asks."""

    horizon_days: float = Field(default=3.0, gt=0, le=365)
    """A purchase later than this after the moment does not count."""

    trees: int = Field(default=50, ge=1, le=1000)
    """Of the random forest."""

    depth: int = Field(default=6, ge=1, le=15)
    """Of the random forest's trees."""

    boosted_trees: int = Field(default=20, ge=1, le=500)
    """Each corrects those before it."""

    boosted_depth: int = Field(default=3, ge=1, le=10)
    """Of a boosted tree."""

    least_leaf: int = Field(default=20, ge=1)
    """Visitors of a leaf at least."""


class SegmentParameters(Parameters):
    """Parameters of the segmentation."""

    subject = "the segmentation"

    least: int = Field(default=4, ge=2, le=8)
    """Fewest clusters that are tried."""

    most: int = Field(default=7, ge=2, le=8)
    """Most clusters that are tried."""

    iterations: int = Field(default=20, ge=1, le=200)
    """Of k-means."""

    sample: int = Field(default=50_000, ge=100)
    """Visitors, about, by which the number of clusters is chosen; the chosen one is fitted on all."""

    @model_validator(mode="after")
    def _ordered(self) -> SegmentParameters:
        if self.least > self.most:
            raise ValueError(f"least is {self.least} and most {self.most}")
        return self
