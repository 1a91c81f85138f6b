"""What the API is asked about a visitor's behaviour, and what it answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from saran.core.answer import Answer
from saran.core.entities import Identifier

Count = Annotated[int, Field(ge=0, le=10_000_000)]
Ratio = Annotated[float, Field(ge=0, le=10_000_000, allow_inf_nan=False)]


class Behaviour(BaseModel):
    """What a visitor has done so far, for the chance of a purchase."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "visitorid_to_identify": "user_test_predict_01",
                    "num_views": 15,
                    "num_addtocart": 2,
                    "distinct_items_interacted": 8,
                }
            ]
        },
    )

    visitorid_to_identify: Identifier
    num_views: Count
    num_addtocart: Count
    distinct_items_interacted: Count


class Totals(BaseModel):
    """All that a visitor has done, for the segment."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "visitorid_to_identify": "user_test_segment_01",
                    "total_events": 60,
                    "total_views": 45,
                    "total_addtocart": 6,
                    "total_transactions": 3,
                    "view_ratio": 0.75,
                    "addtocart_ratio": 0.1,
                    "transaction_ratio": 0.0667,
                }
            ]
        },
    )

    visitorid_to_identify: Identifier
    total_events: Count
    total_views: Count
    total_addtocart: Count
    total_transactions: Count
    view_ratio: Ratio = Field(description="Views over events")
    addtocart_ratio: Ratio = Field(description="Carts over events")
    transaction_ratio: Ratio = Field(description="Transactions over views")


class Prediction(Answer):
    """Whether a visitor will buy."""

    visitorid: str = Field(examples=["user_test_predict_01"])
    will_transact: bool = Field(description="Whether the probability reaches the threshold that the training chose")
    probability: float = Field(description="Of a purchase within the model's horizon", examples=[0.12])
    model_version: str


class SegmentFigures(Answer):
    """One segment of users."""

    cluster_id: int = Field(description="Stays from version to version")
    segment: str = Field(examples=["window shopper"])
    users: int
    share: float = Field(description="Of all users", examples=[0.42])
    share_before: float | None = Field(description="In the version before; null where there is none")
    profile: dict[str, float] = Field(
        description="Each input of the segmentation → its mean over the segment's users",
        examples=[{"total_events": 4.5, "view_ratio": 0.9}],
    )


class SegmentsTold(Answer):
    """All segments, the largest first."""

    as_of: datetime | None = Field(description="The newest event that counted")
    model_version: str
    users: int
    before: str | None = Field(description="The version whose clusters went on in this one; null in the first")
    drift: float | None = Field(
        description="Half the sum of what shares changed by since then, 0 to 1; null in the first version",
        examples=[0.03],
    )
    segments: list[SegmentFigures]


class SegmentOf(Answer):
    """The cluster that a visitor is nearest to."""

    visitorid: str = Field(examples=["user_test_segment_01"])
    cluster_id: int = Field(description="Stays from version to version")
    segment: str = Field(examples=["window shopper"])
    model_version: str
    warning: str | None = Field(default=None, description="Figures of the question that do not fit each other")
