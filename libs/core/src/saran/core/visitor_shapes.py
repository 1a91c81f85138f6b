"""What the API is asked about a visitor's behaviour, and what it answers."""

from __future__ import annotations

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


class SegmentOf(Answer):
    """The cluster that a visitor is nearest to."""

    visitorid: str = Field(examples=["user_test_segment_01"])
    cluster_id: int = Field(description="Stays from version to version")
    segment: str = Field(examples=["window shopper"])
    model_version: str
    warning: str | None = Field(default=None, description="Figures of the question that do not fit each other")
