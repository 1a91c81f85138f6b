"""Lists for whom the caller describes: a visitor's session, several users, candidates of the caller's own."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Depends, Response

from saran.api.batcher import NOTHING
from saran.api.history_reader import HistoryAwayError
from saran.api.list_json import list_json
from saran.api.routes.recommendations import answer_for, served_model, user_list_json
from saran.api.state import State, state_of
from saran.core.api_shapes import Categories, CategoryCount, ListsOfUsers, RankedCandidates, SessionRecommendations
from saran.core.entities import ACTION_CODES
from saran.core.list_options import RankRequest, SessionItem, SessionRequest, UsersRequest
from saran.core.listing import rank
from saran.core.recommender import History

router = APIRouter(tags=["recommendations"])

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    422: {"description": "The body is wrong; `errors` names field and reason"},
    503: {"description": "No model was ever trained"},
}
_JSON: Final = "application/json"


@router.post(
    "/recommendations/session",
    response_model=SessionRecommendations,
    responses=_PROBLEMS,
    summary="Items for a visitor, by the session alone",
)
async def for_session(state: Annotated[State, Depends(state_of)], asked: SessionRequest) -> Response:
    """First what is likely to come next, where the model has rules of sessions (`neighbours` and `blend` do), then as
    for a user whose history the session is. Nothing is stored, and no database is asked."""
    served_model(state)  # a problem before the first training
    served, listed = await state.session_lists.ask(_history(asked.items), asked)
    return Response(list_json(served, listed, len(asked.items)), media_type=_JSON)


@router.post(
    "/recommendations/batch", response_model=ListsOfUsers, responses=_PROBLEMS, summary="Items for several users"
)
async def for_users(state: Annotated[State, Depends(state_of)], asked: UsersRequest) -> Response:
    """The list of each user, as GET /recommendations/user/{user_id} gives it."""
    answers = await asyncio.gather(*(answer_for(state, user, asked.limit, asked) for user in asked.user_ids))
    lists = [
        user_list_json(answer, user, asked.limit, asked) for user, answer in zip(asked.user_ids, answers, strict=True)
    ]
    return Response(b'{"lists":[%b]}' % b",".join(lists), media_type=_JSON)


@router.post("/rank", response_model=RankedCandidates, responses=_PROBLEMS, summary="The caller's own items, ranked")
async def rank_candidates(state: Annotated[State, Depends(state_of)], asked: RankRequest) -> Response:
    """For a user or for a session, best first, those in the history too. Without a history: by popularity."""
    served = served_model(state)
    history, degraded = await _history_of(state, asked)
    distinct = list(dict.fromkeys(asked.candidates))
    index = served.recommender.index
    known = np.array([index[item_id] for item_id in distinct if item_id in index], dtype=np.int64)
    listed = await asyncio.to_thread(rank, served.recommender, history, known, asked)
    unknown = [item_id for item_id in distinct if item_id not in index]
    body = list_json(served, listed, len(history.item_ids), degraded=degraded, unknown=unknown)
    return Response(body, media_type=_JSON)


@router.get("/categories", responses={503: _PROBLEMS[503]}, summary="Categories that a list can be asked for")
def categories(state: Annotated[State, Depends(state_of)]) -> Categories:
    """Of the served model's items, those of most items first."""
    told = served_model(state).columns.categories()
    return Categories(categories=[CategoryCount(name=name, items=items) for name, items in told])


async def _history_of(state: State, asked: RankRequest) -> tuple[History, bool]:
    if asked.user_id is None:
        return _history(asked.items or []), False
    return await history_of(state, asked.user_id)


async def history_of(state: State, user_id: str) -> tuple[History, bool]:
    """What is known of a user, and whether it could not be read."""
    try:
        stored = (await state.histories.read([user_id])).get(user_id)
    except HistoryAwayError:
        return NOTHING, True
    return (NOTHING if stored is None else stored.events), False


def _history(items: list[SessionItem]) -> History:
    return History(
        [item.item_id for item in items],
        np.array([ACTION_CODES[item.action] for item in items], dtype=np.int64),
        np.array([np.nan if item.value is None else item.value for item in items], dtype=np.float64),
    )
