"""Lists for users, and items like an item."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Query, Response
from starlette.types import Scope

from saran.api.batcher import Answer, NoModelError
from saran.api.direct_route import add_direct_route
from saran.api.list_json import list_json
from saran.api.list_query import list_query
from saran.api.model_store import Served
from saran.api.parameters import Limit, UserId
from saran.api.problem import Problem, invalid
from saran.api.state import State, state_of
from saran.core import limits
from saran.core.api_shapes import RankedCard, Recommendations, Similar
from saran.core.list_options import ListOptions
from saran.core.recommender import Likeness
from saran.core.versions import ModelError

router = APIRouter(tags=["recommendations"])

_RETRY_SECONDS: Final = 10
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {503: {"description": "No model was ever trained"}}


def install(app: FastAPI) -> None:
    """Add the routes; the list for a user is the one that must be fast."""
    app.include_router(router)
    add_direct_route(
        app,
        "/recommendations/user/{user_id:path}",
        for_user,
        _for_user_direct,
        response_model=Recommendations,
        responses={**_PROBLEMS, 422: {"description": "A parameter is wrong"}},
        tags=["recommendations"],
        summary="Items for a user, best first",
        name="recommendations_for_user",
    )


async def for_user(
    state: Annotated[State, Depends(state_of)], user_id: UserId, options: Annotated[ListOptions, Query()]
) -> Response:
    """Made from the user's last events at request time; a user without any gets what is popular, says `source`.

    Conditions on items all hold at once, and the list is exactly the best of the items that they leave: shorter than
    `limit` where fewer are left. An item of which the catalogue does not tell price or age rating does not meet a
    condition on it. A category that no item has leaves an empty list, and `note` says so.
    """
    return Response(await _list(state, user_id, options.limit, options), media_type="application/json")


async def _for_user_direct(scope: Scope) -> bytes:
    limit, options = list_query(scope)
    return await _list(scope["app"].state.saran, scope["path_params"]["user_id"], limit, options)


async def _list(state: State, user_id: str, limit: int, options: ListOptions | None) -> bytes:
    answer = await answer_for(state, checked(user_id), limit, options)
    return list_json(answer.served, answer.listed, answer.history_events, user_id=user_id, degraded=answer.degraded)


@router.get(
    "/recommendations/{visitorid:int}",
    response_model=list[RankedCard],
    responses=_PROBLEMS,
    summary="Items for a visitor of the Retail Rocket shop",
)
async def for_visitor(
    state: Annotated[State, Depends(state_of)],
    visitorid: int,
    num_recommendations: Annotated[int, Query(ge=1, le=limits.MAX_LIST_LENGTH)] = 5,
    fallback: Annotated[bool, Query(description="What is popular, for a visitor without a history")] = False,
) -> Response:
    """Empty for a visitor without a history, unless `fallback`."""
    answer = await answer_for(state, str(visitorid), num_recommendations)
    ranked = answer.listed.ranked
    if not ranked.personal and not fallback:
        return Response(b"[]", media_type="application/json")
    body = answer.served.catalogue.ranked(ranked.items, ranked.scores)
    return Response(body, media_type="application/json")


@router.get(
    "/recommendations/similar/{item_id:path}",
    response_model=Similar,
    responses={**_PROBLEMS, 404: {"description": "The model does not know the item, or nothing of this likeness"}},
    summary="Items like an item",
)
def similar(
    state: Annotated[State, Depends(state_of)],
    item_id: str,
    limit: Limit = 10,
    by: Annotated[Likeness | None, Query(description="Without it, content for what nobody has touched yet")] = None,
) -> Response:
    """By what users did with them (`behaviour`), or by what the catalogue says of them (`content`)."""
    served = served_model(state)
    try:
        found, ranked = served.recommender.similar(item_id, limit, by)
    except KeyError:
        raise unknown_item(item_id, served) from None
    except ModelError as error:
        raise Problem(404, str(error)) from None
    body = b'{"item_id":%b,"by":"%b","model_version":"%b","items":%b}' % (
        json.dumps(item_id).encode(),
        found.encode(),
        served.manifest.version.encode(),
        served.catalogue.ranked(ranked.items, ranked.scores),
    )
    return Response(body, media_type="application/json")


def served_model(state: State) -> Served:
    """The served version. Raises Problem 503 before the first training."""
    if state.models.served is None:
        raise _no_model(state)
    return state.models.served


def unknown_item(item_id: str, served: Served) -> Problem:
    """404 for an item that the model does not know."""
    return Problem(404, f"model {served.manifest.version} knows no item {item_id[: limits.MAX_ID_LENGTH]!r}")


async def answer_for(state: State, user_id: str, limit: int, options: ListOptions | None = None) -> Answer:
    """The list of a user. Raises Problem 503 before the first training."""
    try:
        return await state.batcher.ask(user_id, limit, options)
    except NoModelError:
        raise _no_model(state) from None


def _no_model(state: State) -> Problem:
    reason = state.models.warning or "no model was trained yet: run `saran train`"
    return Problem(503, reason, retry_after=_RETRY_SECONDS)


def checked(given: str, name: str = "user_id") -> str:
    """An id out of a path. Raises Problem 422 when it is none."""
    if 0 < len(given) <= limits.MAX_ID_LENGTH and given.isprintable():
        return given
    reason = f"is not 1 to {limits.MAX_ID_LENGTH} printable characters"
    raise invalid([(("path", name), reason)])
