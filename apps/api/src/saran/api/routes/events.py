"""Events from a shop's own back end."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Header

from saran.api.acknowledge import acknowledged
from saran.api.ndjson import MEDIA_TYPE, NdjsonRoute
from saran.api.state import State, state_of
from saran.core import limits
from saran.core.api_shapes import Accepted, StreamEvent
from saran.core.entities import Event
from saran.core.json_text import event_to_json

router = APIRouter(tags=["events"], route_class=NdjsonRoute)


@router.post(
    "/stream/events",
    status_code=202,
    responses={
        422: {"description": "An element is wrong; none was taken. `errors` names element, field and reason"},
        503: {"description": "Kafka did not acknowledge; send again with the same Idempotency-Key or event_ids"},
    },
    summary="Stream events",
    openapi_extra={
        "requestBody": {
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "description": "One event a line, as JSON"}}}
        }
    },
)
async def stream(
    state: Annotated[State, Depends(state_of)],
    events: Annotated[list[StreamEvent], Body(min_length=1, max_length=limits.MAX_EVENTS_PER_REQUEST)],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=limits.MAX_ID_LENGTH)] = None,
) -> Accepted:
    """202 when Kafka has every event. A retry with the same Idempotency-Key and body changes nothing.

    The list may also come as NDJSON, an event a line.
    """
    full = _complete(events, idempotency_key, now=datetime.now(UTC))
    records = [(event.user_id, event_to_json(event)) for event in full]
    await acknowledged(state, state.settings.events_topic, records)
    state.metrics.events.inc(len(full))
    return Accepted(accepted=len(full), event_ids=[event.event_id for event in full])


def _complete(events: Sequence[StreamEvent], key: str | None, *, now: datetime) -> list[Event]:
    full = []
    for position, event in enumerate(events):
        event_id = event.event_id or (uuid.uuid4().hex if key is None else _derived(key, position, event))
        given = event.model_dump(exclude={"event_id", "event_time"})
        full.append(Event(event_id=event_id, event_time=event.event_time or now, **given))
    return full


def _derived(key: str, position: int, event: StreamEvent) -> str:
    """Id of an element under a key: of its content too, so that a key used again for other events loses none."""
    content = event.model_dump_json(exclude_none=True)
    return hashlib.sha256(f"{key}\0{position}\0{content}".encode()).hexdigest()[:32]
