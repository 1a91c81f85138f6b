"""What is known of a user."""

from __future__ import annotations

from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Depends
from numpy.typing import NDArray

from saran.api.acknowledge import KAFKA_AWAY, acknowledged
from saran.api.batcher import NOTHING
from saran.api.history_reader import HistoryAwayError
from saran.api.online_reader import StoreAwayError
from saran.api.problem import Problem
from saran.api.routes.recommendations import checked
from saran.api.routes.visitors import predict, segment
from saran.api.state import State, state_of
from saran.core.api_shapes import SaidUserFacts, Taken, UserProfile
from saran.core.entities import ACTION_CODES, Action, User
from saran.core.json_text import user_to_json
from saran.core.names import Topic
from saran.core.recommender import History
from saran.core.visitor_counts import behaviour_of, totals_of

router = APIRouter(tags=["users"])

_RETRY_SECONDS: Final = 2
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "There is neither an event nor an attribute of the user"},
    503: {"description": "PostgreSQL is away"},
}


@router.get("/users/{user_id:user}", responses=_PROBLEMS, summary="What is known of a user")
async def user(state: Annotated[State, Depends(state_of)], user_id: str) -> UserProfile:
    """Attributes, how much was done, and what the served models say of that: `propensity` is the chance of a purchase.

    Counts are of the last events only, as many as a history holds.
    """
    checked(user_id)
    try:
        row = await state.online.user(user_id)
        stored = (await state.histories.read([user_id])).get(user_id)
    except (StoreAwayError, HistoryAwayError):
        raise Problem(503, "PostgreSQL is away, where users are kept", retry_after=_RETRY_SECONDS) from None
    if row is None and stored is None:
        raise Problem(404, f"nothing is known of the user {user_id!r}")
    history = NOTHING if stored is None else stored.events
    counts = {action.value: _count(history.actions, action) for action in Action}
    profile = UserProfile(
        user_id=user_id,
        history_events=len(history.item_ids),
        actions={name: count for name, count in counts.items() if count},
        **(row or {}),
    )
    if stored is None:
        return profile
    return profile.model_copy(update=_said(state, user_id, history))


@router.put("/users/{user_id:user}", status_code=202, responses=KAFKA_AWAY, summary="Say who a user is")
async def put_user(state: Annotated[State, Depends(state_of)], user_id: str, body: SaidUserFacts) -> Taken:
    """Replaces what was said before. 202 when Kafka has it; it is to be seen within seconds."""
    said = User(user_id=checked(user_id), **body.model_dump())
    await acknowledged(state, Topic.USERS, [(user_id, user_to_json(said))])
    return Taken(accepted=1)


def _said(state: State, user_id: str, history: History) -> dict[str, Any]:
    """What the models that are served say of a history."""
    found: dict[str, Any] = {}
    if state.predictor.served is not None:
        found["propensity"] = predict(state.predictor.served, behaviour_of(user_id, history)).probability
    if state.segmentation.served is not None:
        found["segment"] = segment(state.segmentation.served, totals_of(user_id, history)).segment
    return found


def _count(actions: NDArray[np.int64], action: Action) -> int:
    return int(np.count_nonzero(actions == ACTION_CODES[action]))
