"""Which events a model is trained on: a time range, a range of micro-batches, or all of silver."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

BatchNumber = Annotated[int, Field(ge=1, lt=2**31)]


class Window(BaseModel):
    """Bounds that an event must keep, all of those that are given. Without any, every event counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: AwareDatetime | None = Field(default=None, description="Earliest event time, itself inside")
    until: AwareDatetime | None = Field(default=None, description="End of the event times, itself outside")
    from_batch: BatchNumber | None = Field(default=None, description="First micro-batch of the load, from 1")
    to_batch: BatchNumber | None = Field(default=None, description="Last micro-batch, itself inside")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError(f"until {self.until.isoformat()} is not after since {self.since.isoformat()}")
        if self.from_batch is not None and self.to_batch is not None and self.from_batch > self.to_batch:
            raise ValueError(f"to_batch {self.to_batch} is before from_batch {self.from_batch}")
        return self

    @property
    def bounded(self) -> bool:
        """Whether any event can be outside."""
        return bool(self.model_dump(exclude_none=True))

    def __str__(self) -> str:
        """The bounds in words, for messages and manifests' readers."""
        parts = [
            f"from {self.since.isoformat()}" if self.since else "",
            f"before {self.until.isoformat()}" if self.until else "",
            f"from batch {self.from_batch}" if self.from_batch else "",
            f"to batch {self.to_batch}" if self.to_batch else "",
        ]
        return ", ".join(part for part in parts if part) or "all events"


ALL_EVENTS: Final = Window()
