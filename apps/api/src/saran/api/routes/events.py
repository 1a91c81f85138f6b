"""Events from a shop's own back end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Header, Response

from saran.api.acknowledge import acknowledged
from saran.api.event_list import StreamedEvent, sort_out
from saran.api.ndjson import MEDIA_TYPE, NdjsonRoute
from saran.api.problem import faulty
from saran.api.state import State, state_of
from saran.core import limits
from saran.core.api_shapes import Accepted

router = APIRouter(tags=["events"], route_class=NdjsonRoute)


@router.post(
    "/stream/events",
    status_code=202,
    responses={
        207: {"model": Accepted, "description": "Kafka has the good elements; `errors` names the others"},
        422: {"description": "No element is an event. `errors` names element, field and reason"},
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
    response: Response,
    events: Annotated[list[StreamedEvent], Body(min_length=1, max_length=limits.MAX_EVENTS_PER_REQUEST)],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=limits.MAX_ID_LENGTH)] = None,
) -> Accepted:
    """202 when Kafka has every event, 207 when it has those that are events, 422 when none is one.

    What is refused is kept with its reason in `silver.rejected`. A retry with the same Idempotency-Key and body changes
    nothing. The list may also come as NDJSON, an event a line.
    """
    found = sort_out(events, idempotency_key, now=datetime.now(UTC))
    await acknowledged(state, state.settings.events_topic, found.records)
    taken = sum(one is not None for one in found.event_ids)
    state.metrics.events.inc(taken)
    state.metrics.events_refused.inc(len(events) - taken)
    if not taken:
        raise faulty(found.faults)
    if found.faults:
        response.status_code = 207
    return Accepted(accepted=taken, event_ids=found.event_ids, errors=found.faults)
