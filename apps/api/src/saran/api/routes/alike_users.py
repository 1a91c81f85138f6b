"""Users who are like a user."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from saran.api.history_reader import HistoryAwayError
from saran.api.model_store import Served
from saran.api.own_users import owned
from saran.api.problem import Problem
from saran.api.routes.recommendations import checked, served_model
from saran.api.state import State, state_of
from saran.core.api_shapes import AlikeUser, AlikeUsers, Cause
from saran.core.tastes import Near
from saran.core.versions import ModelError

router = APIRouter(tags=["users"])

_CAUSES: Final = 3
_RETRY_SECONDS: Final = 2
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "There is no event of the user, or the model has no factors"},
    503: {"description": "PostgreSQL is away, or no model was ever trained"},
}


@router.get("/users/{user_id:path}/similar", responses=_PROBLEMS, summary="Users like a user")
async def similar_users(
    state: Annotated[State, Depends(state_of)],
    request: Request,
    user_id: str,
    limit: Annotated[int, Query(ge=1, le=100, description="Users at most")] = 10,
) -> AlikeUsers:
    """By the served model: the cosine of users' factors, each made of the user's own last events. The most alike first.

    Of more than 10,000 users a sample is compared. A key that is bound to users compares and names those only.
    """
    checked(user_id)
    served = served_model(state)
    try:
        stored = (await state.histories.read([user_id])).get(user_id)
        if stored is None:
            raise Problem(404, f"there is no event of the user {user_id!r}")
        found, compared, as_of = await state.alike_users.most(
            served.recommender, user_id, stored.events, limit, owned(request.scope)
        )
    except ModelError as error:
        raise Problem(404, str(error)) from None
    except HistoryAwayError:
        raise Problem(503, "PostgreSQL is away, and the histories with it", retry_after=_RETRY_SECONDS) from None
    return AlikeUsers(
        user_id=user_id,
        model_version=served.manifest.version,
        as_of=as_of,
        compared=compared,
        users=[
            AlikeUser(user_id=other, score=near.cosine, rank=rank, because=_causes(served, near))
            for rank, (other, near) in enumerate(found, start=1)
        ],
    )


def _causes(served: Served, near: Near) -> list[Cause]:
    """The shared items that carried most, those with a positive share only."""
    most = sorted(zip(near.shares.tolist(), near.shared.tolist(), strict=True), key=lambda one: -one[0])[:_CAUSES]
    return [
        Cause(item_id=served.recommender.item_ids[item], title=served.catalogue.title(item), share=share)
        for share, item in most
        if share > 0
    ]
