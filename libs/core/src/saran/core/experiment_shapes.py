"""Experiments: what is compared, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from saran.core.entities import without_nul

NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"

Name = Annotated[str, Field(pattern=NAME, examples=["diverse-lists"])]


class Variant(BaseModel):
    """How the lists of some users are made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(examples=["control"])
    weight: int = Field(default=1, ge=1, le=1000, description="Its part of the users, against the others' weights")
    strategy: Literal["model", "popular"] = Field(
        default="model", description="Lists of the served model, or what is popular without what the user knows"
    )
    diversity: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False, description="As of a list")


class ExperimentDefinition(BaseModel):
    """Variants, and who takes part. Variants stay as they were first put: others are another experiment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: Annotated[str, AfterValidator(without_nul)] = Field(default="", max_length=2000)
    running: bool = Field(default=True, description="One experiment runs at a time")
    share: float = Field(default=1.0, gt=0, le=1, description="Part of all users who take part")
    variants: list[Variant] = Field(min_length=2, max_length=10)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({one.name for one in self.variants}) < len(self.variants):
            raise ValueError("two variants have one name")
        return self


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, json_schema_serialization_defaults_required=True)


class Experiment(ExperimentDefinition):
    """A definition that is stored."""

    model_config = ConfigDict(extra="ignore", frozen=True, json_schema_serialization_defaults_required=True)

    name: Name
    created_at: datetime
    updated_at: datetime


class Rate(_Told):
    """A share of users with its 95 % interval (Wilson 1927); `value` is null without users."""

    users: int
    value: float | None
    low: float
    high: float


class Uplift(_Told):
    """The difference of two shares of users with its 95 % interval; `relative` to the first, null where that is 0."""

    value: float
    low: float
    high: float
    relative: float | None


class VariantFigures(_Told):
    """What the users of a variant did who were shown a list of it."""

    name: Name
    users: int = Field(description="Who were shown one or more lists")
    expected_users: float = Field(description="How many of all such users there should be, by the weights")
    click_through: Rate = Field(description="Did something with an item after it was shown to them")
    conversion: Rate = Field(description="Bought something after their first list")


class SampleRatio(_Told):
    """Whether users fell on variants as the weights say: Pearson's chi-square test."""

    chi_square: float
    p_value: float
    mismatch: bool = Field(
        description="p below 0.001: something loses users of a variant, and no figure can be trusted"
    )


class ExperimentFigures(Experiment):
    """An experiment and what came of it so far."""

    figures: list[VariantFigures]
    sample_ratio: SampleRatio | None = Field(description="Null before anybody was shown a list")
    warnings: list[str] = Field(default_factory=list)


class Experiments(_Told):
    """All experiments, the newest first."""

    experiments: list[ExperimentFigures]


class InExperiment(_Told):
    """The experiment that a list is part of."""

    name: Name
    variant: Name
