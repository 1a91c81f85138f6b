"""What the trainer of the classification of items can be told."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from saran.spark.parameters import Parameters


class ClassifierParameters(Parameters):
    """Parameters of the classification of items."""

    subject: ClassVar[str] = "the classification of items"

    target: Literal["age", "genre"] = "age"
    """The age class, or the first category."""

    classes: int = Field(default=20, ge=2, le=50)
    """Classes at most, those of most items first."""

    sample: int = Field(default=50_000, ge=100)
    """Items at most that are learned from and tested on, drawn by the seed."""

    regularization: float = Field(default=1e-3, ge=0)
    """Of the logistic regression: more keeps weights smaller."""

    iterations: int = Field(default=100, ge=1, le=1000)
    """Of the logistic regression."""

    least_probability: float = Field(default=0.5, ge=0, le=1)
    """An item gets a label that is at least so likely."""
