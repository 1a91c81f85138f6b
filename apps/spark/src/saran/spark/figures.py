"""What every evaluation reports: what was chosen on training alone, and figures with their intervals."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from saran.spark.parameter_search import Choice


class Figure(BaseModel):
    """A mean over test cases with its 95 % bootstrap interval; none for a figure of all lists together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    low: float | None = None
    high: float | None = None


class Figures(BaseModel):
    """Figures over some of the test cases, by model and metric."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metrics: dict[str, dict[str, Figure]]


class Report(BaseModel):
    """What came out; figures and what follows are empty in the report that is written before the run on test."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    folds: int
    goal: str
    chosen: dict[str, Choice]
    differences: dict[str, dict[str, Figure]] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(
        default_factory=dict, description="model → learn from all of training, and rank for the test"
    )
