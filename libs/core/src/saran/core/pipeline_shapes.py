"""What the API tells of the way from Kafka into the tables: micro-batches, refused records, the tables."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from saran.core.answer import Answer
from saran.core.system_shapes import Batch

BatchLimit = Annotated[int, Field(ge=1, le=1000, description="How many, the newest")]
SampleLimit = Annotated[int, Field(ge=0, le=100, description="Refused records in the sample, the newest")]


class Batches(Answer):
    """Micro-batches of the ingest streams that held records, the newest first."""

    batches: list[Batch]


class RejectedReason(Answer):
    """How many records of a topic were refused for one reason; `newest` is a record's time in Kafka."""

    topic: str = Field(examples=["events"])
    reason: str = Field(examples=["item_id: Field required"])
    rows: int
    newest: datetime


class RejectedRecord(Answer):
    """A refused record: where it lies in Kafka, when it came there, and what it says."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    reason: str
    event_id: str | None
    content_id: str = Field(default="", description="Hash of topic, key and value: what a replay names it by")
    raw: str | None = Field(description="The value, its first 500 characters")


class RejectedRecords(Answer):
    """What silver.rejected holds at one version, which is null where there is no such table yet."""

    rows: int
    version: int | None
    reasons: list[RejectedReason] = Field(description="Most rows first, 50 at most")
    more_reasons: int = Field(description="Reasons that are not in the list")
    sample: list[RejectedRecord] = Field(description="The newest records")


class TableFacts(Answer):
    """A Delta table at its newest version, by its log. `bytes` is of the files that the version has."""

    name: str = Field(examples=["silver.events"])
    version: int
    rows: int
    files: int
    bytes: int
    columns: list[str]
    written_at: datetime


class Tables(Answer):
    """The tables of the lakehouse that there are, by name."""

    tables: list[TableFacts]
