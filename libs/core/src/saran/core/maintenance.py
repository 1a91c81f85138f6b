"""The order to the owners of tables to look after them now: a record of Kafka's topic `requests`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

KEY: Final = "maintain"
"""Of the record: it names no user."""


class MaintenanceOrder(BaseModel):
    """Compact, and remove old files. What is kept for how long is a setting of the owner."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["maintain"]
    requested_at: AwareDatetime


def order_maintenance() -> MaintenanceOrder:
    """An order of now, in whole milliseconds."""
    now = datetime.now(UTC)
    return MaintenanceOrder(kind="maintain", requested_at=now.replace(microsecond=now.microsecond // 1000 * 1000))


def read_maintenance(value: bytes | None) -> MaintenanceOrder | None:
    """The order that a record of `requests` holds, None for any other record."""
    try:
        return MaintenanceOrder.model_validate_json(value or b"")
    except ValidationError:
        return None
