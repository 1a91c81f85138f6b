"""Refused records that are sent again: what is asked and what is answered."""

from __future__ import annotations

from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from saran.core import limits
from saran.core.answer import Answer

MOST_TOLD: Final = 100


class Correction(BaseModel):
    """A refused record, and what it should have said; as it is where `value` is null."""

    model_config = ConfigDict(extra="forbid", strict=True)

    content_id: str = Field(min_length=1, max_length=limits.MAX_ID_LENGTH, description="As in silver.rejected")
    value: str | None = Field(default=None, max_length=limits.MAX_LINE_BYTES, description="JSON of an event or an item")


class ReplayRequest(BaseModel):
    """Single records, or all of a topic, a reason or both, as they are."""

    model_config = ConfigDict(extra="forbid", strict=True)

    records: list[Correction] = Field(default_factory=list, max_length=limits.MAX_EVENTS_PER_REQUEST)
    topic: str | None = Field(default=None, min_length=1, max_length=limits.MAX_ID_LENGTH, examples=["events"])
    reason: str | None = Field(default=None, min_length=1, description="Exactly as silver.rejected has it")

    @model_validator(mode="after")
    def _which(self) -> Self:
        if bool(self.records) == (self.topic is not None or self.reason is not None):
            raise ValueError("give either records, or a topic or reason")
        return self


class StillRefused(Answer):
    """A record that was not sent, since it would be refused again."""

    content_id: str
    topic: str
    reason: str


class Replay(Answer):
    """What became of the records: each that was found is replayed or refused."""

    found: int
    replayed: int = Field(description="Sent to their topic again, as Kafka has acknowledged")
    refused: int
    still_refused: list[StillRefused] = Field(description=f"The first {MOST_TOLD} of the refused")
    unknown: list[str] = Field(description="Those of `records` that silver.rejected does not have")
