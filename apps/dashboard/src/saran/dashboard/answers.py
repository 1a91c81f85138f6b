"""What the API answers, as typed values. Fields that the pages do not show are left out and ignored."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from saran.core.model_folder import Evaluation


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Card(_Answer):
    """An item as lists hold it; `rank` counts from 1 and, like `score`, is missing where a list has no order."""

    item_id: str
    title: str | None = None
    categories: list[str] = Field(default_factory=list)
    image_url: str | None = None
    url: str | None = None
    price: float | None = None
    score: float | None = None
    rank: int | None = None

    @property
    def name(self) -> str:
        """The title, or words with the id where the catalogue has none."""
        return self.title or f"Item {self.item_id}"


class Recommendations(_Answer):
    """A user's list, best first; `degraded` when the history could not be read."""

    user_id: str
    source: str
    model_version: str | None = None
    degraded: bool = False
    history_events: int
    items: list[Card]


class Similar(_Answer):
    """Items like one item, best first."""

    item_id: str
    model_version: str | None = None
    items: list[Card]


class PastEvent(_Answer):
    """One event of a user's history."""

    item_id: str
    title: str | None = None
    action: str
    value: float | None = None
    event_time: datetime

    @property
    def name(self) -> str:
        """The title, or words with the id where the catalogue has none."""
        return self.title or f"Item {self.item_id}"


class History(_Answer):
    """A user's last events, newest first."""

    user_id: str
    events: list[PastEvent]


class Accepted(_Answer):
    """Events that Kafka has acknowledged."""

    accepted: int
    event_ids: list[str]


class Health(_Answer):
    """Which parts are there."""

    status: str
    models_loaded: list[str] = Field(default_factory=list)
    model_versions: dict[str, str | None] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    kafka: str | None = None
    postgres: str | None = None
    spark_session_active: bool | None = None


class TableCount(_Answer):
    """Rows of a Delta table at a version; `as_of` is its newest event time, `updated_at` when it was counted."""

    rows: int
    version: int
    as_of: datetime | None = None
    updated_at: datetime | None = None


class Batch(_Answer):
    """One micro-batch of the ingest stream."""

    batch_id: int
    finished_at: datetime
    seconds: float
    input_rows: int
    new_rows: int
    duplicate_rows: int
    rejected_rows: int


class Ingest(_Answer):
    """The ingest stream: its last batch and what it counted so far."""

    last_batch: Batch | None = None
    events_per_second: float | None = None
    duplicate_rows: int | None = None
    rejected_rows: int | None = None


class ServedModel(_Answer):
    """The model version that answers are made with."""

    version: str
    created_at: datetime | None = None
    evaluation: Evaluation | None = None
    parameters: dict[str, float | int | str | bool] = Field(default_factory=dict)


class Metrics(_Answer):
    """The state of the whole installation. `lag` is group → topic → partition → events that wait."""

    as_of: datetime | None = None
    dataset: str | None = None
    synthetic: bool | None = None
    tables: dict[str, TableCount] = Field(default_factory=dict)
    ingest: Ingest | None = None
    lag: dict[str, dict[str, dict[int, int | None]]] = Field(default_factory=dict)
    heartbeats: dict[str, datetime] = Field(default_factory=dict)
    model: ServedModel | None = None
    warnings: list[str] = Field(default_factory=list)
    uptime_seconds: float | None = None
    memory_bytes: int | None = None
