"""Users who ask to be forgotten, and how far that is."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends

from saran.api.acknowledge import KAFKA_AWAY, acknowledged
from saran.api.online_reader import StoreAwayError
from saran.api.problem import Problem
from saran.api.routes.recommendations import checked
from saran.api.state import State, state_of
from saran.core.api_shapes import ErasureProgress, ErasureTaken
from saran.core.erasures import Erasure, erasure_key
from saran.core.errors import SaranError
from saran.core.names import Topic
from saran.core.pseudonym import pseudonyms

router = APIRouter(tags=["users"])

_RETRY_SECONDS: Final = 2
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    422: {"description": "The user's id is none"},
    503: {"description": "Kafka or PostgreSQL is away"},
}


@router.delete("/users/{user_id:path}/events", status_code=202, responses=KAFKA_AWAY, summary="Erase a user's events")
async def erase_events(state: Annotated[State, Depends(state_of)], user_id: str) -> ErasureTaken:
    """All up to now, for ever: sent or replayed again, they stay away. Later events count."""
    return await _order(state, user_id, until=datetime.now(UTC))


@router.get("/users/{user_id:path}/erasure", responses={**_PROBLEMS, 404: {"description": "None is known"}})
async def erasure(state: Annotated[State, Depends(state_of)], user_id: str) -> ErasureProgress:
    """How far a user's erasure is: `online_done_at` seconds after the order, `tables_done_at` after the next
    micro-batch. `deadline` is when files, Kafka and backups hold nothing of it either.
    """
    subject = await _subject(state, user_id)
    try:
        found = await state.online.erasure(subject)
    except StoreAwayError:
        raise Problem(503, "PostgreSQL is away, which knows of erasures", retry_after=_RETRY_SECONDS) from None
    if found is None:
        raise Problem(404, "no erasure of this user was carried out: none was ordered, or the worker does not run")
    return ErasureProgress(deadline=_deadline(state, found["requested_at"]), **found)


@router.delete("/users/{user_id:user}", status_code=202, responses=KAFKA_AWAY, summary="Forget a user")
async def erase_user(state: Annotated[State, Depends(state_of)], user_id: str) -> ErasureTaken:
    """All that is known of the user goes, and what is sent of the user later is not kept. It cannot be undone."""
    return await _order(state, user_id, until=None)


async def _order(state: State, user_id: str, *, until: datetime | None) -> ErasureTaken:
    now = datetime.now(UTC)
    subject = await _subject(state, user_id)
    order = Erasure(request_id=uuid.uuid4().hex, subject=subject, requested_at=now, until=until)
    await acknowledged(state, Topic.REQUESTS, [(subject, order.model_dump_json(exclude_none=True))])
    if until is None:
        # The topic is compacted: it keeps nothing of the user but the id, and that until the tombstone expires.
        await acknowledged(state, Topic.USERS, [(user_id, None)])
    return ErasureTaken(request_id=order.request_id, requested_at=now, deadline=_deadline(state, now))


async def _subject(state: State, user_id: str) -> str:
    try:
        key = await asyncio.to_thread(erasure_key, state.settings)
    except SaranError as error:
        raise Problem(503, str(error)) from error
    (subject,) = pseudonyms([checked(user_id)], key)
    return subject


def _deadline(state: State, requested_at: datetime) -> datetime:
    return requested_at + timedelta(days=state.settings.erasure_days)
