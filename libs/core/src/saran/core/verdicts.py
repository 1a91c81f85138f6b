"""What is right and what is wrong with one record: the judgement that every faster path must agree with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from saran.core import limits
from saran.core.entities import Event

EntityT = TypeVar("EntityT", bound=BaseModel)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST: Final = datetime.fromisoformat(limits.MIN_EVENT_TIME)
_NOTHING: Final = "empty record"


@dataclass(frozen=True)
class Rejection:
    """Why a record is not taken; several reasons are joined by `; `."""

    reason: str
    event_id: str | None
    """The record's event_id, where one can be read."""


def judge(entity: type[EntityT], value: bytes | None, clock_ms: int) -> EntityT | Rejection:
    """The entity that `value` is the JSON of, or why it is none.

    `clock_ms` is the record's Kafka timestamp: judging by it and not by the clock of the machine gives the same
    verdict whenever a record is read again, and the broker refuses timestamps that run ahead of its own clock.
    """
    if not value:
        return Rejection(_NOTHING, None)
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        return Rejection(f"not UTF-8: byte {error.start} is 0x{value[error.start]:02x}", None)
    if (refused := _refused_by_producer(text)) is not None:
        return refused
    try:
        found = entity.model_validate_json(text)
    except ValidationError as error:
        return Rejection(_reasons(error), _event_id(text))
    if isinstance(found, Event) and (why := _wrong_time(found.event_time, clock_ms)) is not None:
        return Rejection(why, found.event_id)
    return found


def _wrong_time(moment: datetime, clock_ms: int) -> str | None:
    if moment < _EARLIEST:
        return f"event_time: before {limits.MIN_EVENT_TIME}"
    if moment > _EPOCH + timedelta(milliseconds=clock_ms, seconds=limits.MAX_FUTURE_SECONDS):
        return f"event_time: more than {limits.MAX_FUTURE_SECONDS} s ahead of the record's time"
    return None


def _refused_by_producer(text: str) -> Rejection | None:
    """The producer's own verdict on a source row that it could not read: {"event_id", "source", "error", "raw"}."""
    if '"error"' not in text:
        return None
    found = _object(text)
    reason = found.get("error")
    return Rejection(reason, _readable(found.get("event_id"))) if isinstance(reason, str) and reason else None


def _reasons(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}" if detail["loc"] else detail["msg"]
        for detail in error.errors(include_url=False, include_context=False, include_input=False)
    )


def _event_id(text: str) -> str | None:
    return _readable(_object(text).get("event_id"))


def _object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _readable(identifier: object) -> str | None:
    """An id as a column can hold it, cut at the longest that is valid."""
    if isinstance(identifier, bool) or not isinstance(identifier, str | int):
        return None
    return str(identifier).encode(errors="replace").decode()[: limits.MAX_ID_LENGTH]
