"""What the API answers of the installation's state: its parts, tables, streams, model and data set."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from saran.core.answer import Answer
from saran.core.datasets.spec import Capabilities, Language
from saran.core.entities import Action
from saran.core.model_folder import Evaluation


class Health(Answer):
    """Which parts are there. `degraded` still answers, with what is there."""

    status: Literal["ok", "degraded"]
    models_loaded: list[str]
    model_versions: dict[str, str]
    warnings: list[str]
    kafka: Literal["up", "away"]
    postgres: Literal["up", "away"]
    spark_session_active: bool


class Readiness(Answer):
    """Whether traffic may come."""

    status: Literal["ok"]


class TableCount(Answer):
    """Rows of a Delta table at a version; `as_of` is its newest event time, `updated_at` when it was counted."""

    rows: int
    version: int
    as_of: datetime | None
    updated_at: datetime
    rejected_rows: int | None = Field(default=None, description="Of a silver table: rejected records of its topic")
    duplicate_rows: int | None = Field(
        default=None, description="Of silver.events: records that changed nothing; null while bronze is ahead of it"
    )


class Batch(Answer):
    """One micro-batch of the ingest stream."""

    query: str
    batch_id: int
    finished_at: datetime
    seconds: float
    input_rows: int
    new_rows: int
    duplicate_rows: int
    rejected_rows: int


class Ingest(Answer):
    """The ingest stream: its last batch, its speed over the last batches that held rows, and its totals."""

    last_batch: Batch | None = None
    events_per_second: float | None = None
    input_rows: int = 0
    new_rows: int = 0
    duplicate_rows: int = 0
    rejected_rows: int = 0


class ServedModel(Answer):
    """The model version that answers are made with."""

    version: str
    created_at: datetime
    evaluation: Evaluation | None
    parameters: dict[str, float | int | str | bool]


class DatasetFacts(Answer):
    """What the data set's spec says: what the data has, and which of it is given, derived or simulated."""

    title: str
    terms: str
    capabilities: Capabilities
    actions: list[Action] = Field(description="What its users do with items")
    highest_rating: float | None = Field(description="The best rating that users give, where they rate")
    languages: list[Language] = Field(default=["en"], description="Of the pages about its items, the first by default")


class SuggestedUser(Answer):
    """A user with a history to look at."""

    user_id: str
    history_events: int
    newest_event: datetime


class RouteTimes(Answer):
    """How long one route's answers took in the API's process, since its start.

    Estimated from the buckets of the histogram that Prometheus reads, up to ten seconds.
    """

    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class WhoAsks(Answer):
    """Whom the request's key was given to. Where the API asks for no key, `keys` is false and nobody has a name."""

    keys: bool
    name: str | None = None
    scopes: list[str] = Field(default_factory=list, description="`admin` includes the others")


class SystemMetrics(Answer):
    """The state of the installation. `lag` is group → topic → partition → records that wait, null where unknown."""

    as_of: datetime | None = Field(description="Newest event time of silver")
    dataset: str
    about: DatasetFacts | None = Field(default=None, description="Of the data set; null where its spec cannot be read")
    suggested_users: list[SuggestedUser] = Field(default_factory=list, description="A few with long histories")
    synthetic: bool | None = Field(description="Whether the served model learned from made-up events")
    tables: dict[str, TableCount]
    ingest: Ingest
    lag: dict[str, dict[str, dict[int, int | None]]]
    topics: dict[str, dict[int, int]] = Field(
        default_factory=dict, description="Topic → partition → records that were ever written to it"
    )
    heartbeats: dict[str, datetime]
    model: ServedModel | None
    uptime_seconds: float
    memory_bytes: int
    requests: int
    requests_per_second: float | None = Field(
        default=None, description="Over the last minute; null in the first seconds after the process's start"
    )
    routes: dict[str, RouteTimes] = Field(
        default_factory=dict, description="By route. Time to the whole answer; of a stream, until it began"
    )
    warnings: list[str] = Field(description="What could not be read, and why")
