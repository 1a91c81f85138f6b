"""Server-sent events: a user's list as it changes, and how the installation is."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from saran.api.batcher import Answer
from saran.api.history_changes import Follower
from saran.api.list_json import list_content
from saran.api.parameters import UserId
from saran.api.routes.recommendations import answer_for, checked, served_model, user_list_json
from saran.api.routes.system import system_metrics
from saran.api.state import State, state_of
from saran.core.list_options import ListOptions

router = APIRouter(tags=["streams"])

RECOMMENDATIONS: Final = "recommendations"
ANALYTICS: Final = "analytics"
_EACH_SECONDS: Final = 1.0

_BETWEEN_SECONDS: Final = 0.25
"""Least time between two lists of one stream: a replay changes a history many times a second."""

_AWAY_SECONDS: Final = 2.0
"""How long to wait before a history is asked for again that could not be read."""

_RETRY_MS: Final = 3000
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    422: {"description": "A parameter is wrong"},
    503: {"description": "No model was ever trained, or as many streams are open as may be"},
}


async def _follower(state: Annotated[State, Depends(state_of)], user_id: UserId) -> AsyncIterator[Follower]:
    """Refuses before the answer begins what cannot be streamed; lasts as long as the answer."""
    served_model(state)
    with state.streams.open(RECOMMENDATIONS), state.changes.following(checked(user_id)) as follower:
        yield follower


@router.get(
    "/stream/recommendations/{user_id:path}",
    response_class=EventSourceResponse,
    responses=_PROBLEMS,
    summary="A user's list, and each new one",
)
async def recommendations(
    state: Annotated[State, Depends(state_of)],
    follower: Annotated[Follower, Depends(_follower)],
    user_id: UserId,
    options: Annotated[ListOptions, Query()],
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events `recommendations`, whose data is what GET /recommendations/user/{user_id} answers.

    One at once, then one whenever events of the user, or a new model, change the list. An event's `id` is of the list:
    who comes back with it as Last-Event-ID gets a list only where it has become another. Comments keep the connection
    open. The stream ends after an hour, and a client comes back.
    """
    ends = time.monotonic() + state.settings.serving.stream_max_seconds
    heartbeat = state.settings.serving.stream_heartbeat_seconds
    given = options if options.model_fields_set - {"limit"} else None
    yield ServerSentEvent(retry=_RETRY_MS)
    shown = last_event_id
    answer: Answer | None = None
    while not state.streams.closing and time.monotonic() < ends:
        settled = answer is not None and answer.served is state.models.served and not answer.degraded
        if settled and not await follower.wait(heartbeat):
            yield ServerSentEvent(comment="still there")
            continue
        taken_at = follower.seen()
        answer = await answer_for(state, user_id, options.limit, given)
        made = _id_of(answer)
        # A list without the history does not take the place of one with it: the client keeps what it has.
        if made != shown and not (answer.degraded and shown is not None):
            state.metrics.streamed(RECOMMENDATIONS, None if taken_at is None else time.time() - taken_at)
            data = user_list_json(answer, user_id, options.limit, given)
            yield ServerSentEvent(event=RECOMMENDATIONS, id=made, raw_data=data.decode())
            shown = made
        await asyncio.sleep(_AWAY_SECONDS if answer.degraded else _BETWEEN_SECONDS)


async def _watching(state: Annotated[State, Depends(state_of)]) -> AsyncIterator[None]:
    with state.streams.open(ANALYTICS):
        yield


@router.get(
    "/stream/analytics",
    response_class=EventSourceResponse,
    dependencies=[Depends(_watching)],
    responses={503: {"description": "As many streams are open as may be"}},
    summary="How the installation is, each second",
)
async def analytics(state: Annotated[State, Depends(state_of)]) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events `analytics`, whose data is what GET /system/metrics answers. The stream ends after an hour."""
    ends = time.monotonic() + state.settings.serving.stream_max_seconds
    yield ServerSentEvent(retry=_RETRY_MS)
    while not state.streams.closing and time.monotonic() < ends:
        figures = await system_metrics(state)
        state.metrics.streamed(ANALYTICS)
        yield ServerSentEvent(event=ANALYTICS, raw_data=figures.model_dump_json())
        await asyncio.sleep(_EACH_SECONDS)


def _id_of(answer: Answer) -> str:
    """The same for the same list by the same model from the same history, in each process."""
    content = list_content(answer.served, answer.listed, answer.history_events)
    return hashlib.blake2b(content, digest_size=12).hexdigest()
