"""What the API tells of the versions of models."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from saran.core.answer import Answer
from saran.core.champions import Move
from saran.core.model_folder import Comparison
from saran.core.version_list import Figure
from saran.core.visitor_models import Bin, Confusion, Segment


class VersionSummary(Answer):
    """A version of a model, and its figures by their path, such as `als/ndcg@10`."""

    version: str = Field(examples=["20261128T101058362945Z-4dadaefa"])
    alias: Literal["champion", "challenger", ""] = Field(
        description="`champion` is served; `challenger` is newer than it"
    )
    created_at: datetime
    dataset: str
    synthetic: bool = Field(description="It learned from made-up events")
    algorithm: str
    figures: dict[str, Figure] = Field(description="With 95 % intervals where there are some")


class ModelVersions(Answer):
    """The versions of a model, newest first, and how its champions followed each other, oldest first."""

    name: str = Field(examples=["recommender"])
    champion: str | None
    versions: list[VersionSummary]
    more: int = Field(description="Older versions that are not listed")
    unreadable: dict[str, str] = Field(description="Version → why its manifest cannot be read")
    moves: list[Move]
    previous: str | None = Field(description="The champion that a rollback brings back")


class AllModels(Answer):
    """Every model that was ever trained."""

    models: list[ModelVersions]


class VersionDetails(VersionSummary):
    """All that a version's manifest and card say. What only some kinds of models have is null or empty in others."""

    name: str
    seed: int
    parameters: dict[str, float | int | str | bool]
    tables: dict[str, int] = Field(description="Delta table → version that was read")
    window: str = Field(description="Which events of those tables counted, in words")
    newest_event: datetime | None
    split: str | None = Field(description="What was held out to measure it")
    test_users: int | None
    comparison: Comparison | None = Field(description="Beside the champion of its day")
    horizon_days: float | None = Field(description="Of the purchase predictor: a later purchase is none")
    threshold: float | None = Field(description="Of the purchase predictor: from this probability on, a purchase")
    calibration: list[Bin]
    confusion: Confusion | None
    segments: list[Segment]
    card: str | None = Field(description="Its card in Markdown, without the pictures")


class PromoteRequest(BaseModel):
    """Which version of a model is to be served."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: str = Field(
        min_length=1, max_length=100, description="A version or the beginning of one, or `challenger`",
        examples=["challenger"],
    )  # fmt: skip


class ChampionMoved(Answer):
    """Which version of a model is the champion now, and which was before; the same where nothing had to change."""

    model: str = Field(examples=["recommender"])
    champion: str
    before: str | None
    note: str = Field(description="What this order does not do")
