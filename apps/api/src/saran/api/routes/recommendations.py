"""Lists for users, and items like an item."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Depends, FastAPI, Query, Response
from starlette.types import Scope

from saran.api.batcher import Answer, NoModelError
from saran.api.direct_route import add_direct_route
from saran.api.list_json import list_json
from saran.api.list_query import list_query
from saran.api.model_store import Served
from saran.api.pages import NOTHING_SHOWN, check_page, next_page, read_page
from saran.api.parameters import Limit, UserId
from saran.api.problem import Problem, invalid
from saran.api.recommendation_ids import RECOMMENDATION_ID, recommendation_id
from saran.api.state import State, state_of
from saran.core import limits
from saran.core.api_shapes import RankedCard, Recommendations, Similar
from saran.core.confidence import IntArray
from saran.core.experiment_shapes import InExperiment
from saran.core.experiments import variant_of
from saran.core.list_options import ListOptions, UserListOptions
from saran.core.recommender import Likeness
from saran.core.versions import ModelError

router = APIRouter(tags=["recommendations"])

_RETRY_SECONDS: Final = 10
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {503: {"description": "No model was ever trained"}}
_WITH_ID: Final[dict[str, Any]] = {
    "headers": {
        RECOMMENDATION_ID: {
            "description": "The list's recommendation_id",
            "schema": {"type": "string", "format": "uuid"},
        }
    }
}


def install(app: FastAPI) -> None:
    """Add the routes; the list for a user is the one that must be fast."""
    app.include_router(router)
    add_direct_route(
        app,
        "/recommendations/user/{user_id:path}",
        for_user,
        _for_user_direct,
        response_model=Recommendations,
        responses={
            **_PROBLEMS,
            410: {"description": "The page is of a model that is no longer served: begin anew"},
            422: {"description": "A parameter is wrong"},
        },
        tags=["recommendations"],
        summary="Items for a user, best first",
        name="recommendations_for_user",
    )


async def for_user(
    state: Annotated[State, Depends(state_of)], user_id: UserId, options: Annotated[UserListOptions, Query()]
) -> Response:
    """Made from the user's last events at request time; a user without any gets what is popular, says `source`.

    Conditions on items all hold at once, and the list is exactly the best of the items that they leave: shorter than
    `limit` where fewer are left. An item of which the catalogue does not tell price or age rating does not meet a
    condition on it. A category that no item has leaves an empty list, and `note` says so.

    `next_page` is given back as `page` for the items that follow, up to 500 in all. No page repeats an item; where
    events have changed the list meanwhile, what follows is the best of what was not shown.
    """
    return Response(await _list(state, user_id, options.limit, options), media_type="application/json")


async def _for_user_direct(scope: Scope) -> bytes:
    limit, options = list_query(scope)
    return await _list(scope["app"].state.saran, scope["path_params"]["user_id"], limit, options)


async def _list(state: State, user_id: str, limit: int, options: UserListOptions | None) -> bytes:
    checked(user_id)
    experiment = state.experiments.running
    if options is None and experiment is None:
        return user_list_json(await answer_for(state, user_id, limit), user_id, limit, None)
    options = UserListOptions(limit=limit) if options is None else options
    page = None if options.page is None else read_page(options.page)
    shown = NOTHING_SHOWN if page is None else page.shown
    if page is not None:
        check_page(page, user_id, options, served_model(state).manifest.version)
        limit = min(limit, limits.MAX_LIST_LENGTH - len(shown))
    variant = None
    # A request that says itself what a variant would change is not part of the experiment.
    if experiment is not None and "diversity" not in options.model_fields_set:
        variant = variant_of(experiment.name, experiment, user_id)
    popular = variant is not None and variant.strategy == "popular"
    asked = options.model_copy(
        update={"limit": limit, "diversity": variant.diversity if variant else options.diversity}
    )
    if page is None and not popular and not asked.diversity and not options.model_fields_set - {"limit", "context"}:
        answer = await answer_for(state, user_id, limit)
    else:
        answer = await answer_for(state, user_id, limit, asked, shown=shown, popular=popular)
    if page is not None:
        # Another version may have come meanwhile.
        check_page(page, user_id, options, answer.served.manifest.version)
    if experiment is None or variant is None:
        return user_list_json(answer, user_id, limit, options, shown)
    part = InExperiment(name=experiment.name, variant=variant.name)
    made = recommendation_id()
    items = [answer.served.recommender.item_ids[item] for item in answer.listed.ranked.items.tolist()]
    state.exposures.log(made.decode(), user_id, items, part, first=len(shown) + 1, place=options.context)
    return user_list_json(answer, user_id, limit, options, shown, made=made, experiment=part.model_dump())


def user_list_json(
    answer: Answer,
    user_id: str,
    limit: int,
    options: ListOptions | None,
    shown: IntArray = NOTHING_SHOWN,
    *,
    made: bytes = b"",
    experiment: dict[str, str] | None = None,
) -> bytes:
    """JSON object of `Recommendations`; `shown` were on the pages before, `made` is its id where it has one already."""
    served, listed, first = answer.served, answer.listed, len(shown) + 1
    ranked = listed.ranked
    follows = next_page(shown, ranked.items, limit, user_id, options, served.manifest.version)
    if len(shown) and not ranked.personal:
        # The score of what is popular is one through the rank.
        scores = (1 / np.arange(first, first + len(ranked.items))).astype(np.float32)
        listed = listed._replace(ranked=ranked._replace(scores=scores))
    return list_json(
        served,
        listed,
        answer.history_events,
        first=first,
        made=made,
        user_id=user_id,
        degraded=answer.degraded,
        experiment=experiment,
        next_page=follows,
    )


@router.get(
    "/recommendations/{visitorid:int}",
    response_model=list[RankedCard],
    responses={**_PROBLEMS, 200: _WITH_ID, 404: {"description": "The visitor's id is not an integer"}},
    summary="Items for a visitor of the Retail Rocket shop",
)
async def for_visitor(
    state: Annotated[State, Depends(state_of)],
    visitorid: int,
    num_recommendations: Annotated[int, Query(ge=1, le=limits.MAX_LIST_LENGTH)] = 5,
    fallback: Annotated[bool, Query(description="What is popular, for a visitor without a history")] = False,
) -> Response:
    """Empty for a visitor without a history, unless `fallback`. Its id is in a header."""
    answer = await answer_for(state, str(visitorid), num_recommendations)
    ranked = answer.listed.ranked
    if not ranked.personal and not fallback:
        body = b"[]"
    else:
        body = answer.served.catalogue.ranked(ranked.items, ranked.scores)
    return Response(body, media_type="application/json", headers={RECOMMENDATION_ID: recommendation_id().decode()})


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
    body = b'{"recommendation_id":"%b","item_id":%b,"by":"%b","model_version":"%b","items":%b}' % (
        recommendation_id(),
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


async def answer_for(
    state: State,
    user_id: str,
    limit: int,
    options: ListOptions | None = None,
    *,
    shown: IntArray | None = None,
    popular: bool = False,
) -> Answer:
    """The list of a user, as `Batcher.ask` makes it. Raises Problem 503 before the first training."""
    try:
        return await state.batcher.ask(user_id, limit, options, shown=shown, popular=popular)
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
