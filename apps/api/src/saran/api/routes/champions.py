"""Orders of a person that move the champion of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter, Depends, Request

from saran.api.keys import HOLDER
from saran.api.problem import Problem
from saran.api.routes.models import Name
from saran.api.state import State, state_of
from saran.core import champion_orders
from saran.core.api_keys import Holder
from saran.core.champion_orders import Moved
from saran.core.errors import SaranError
from saran.core.model_shapes import ChampionMoved, PromoteRequest
from saran.core.version_list import UnknownVersionError

router = APIRouter(tags=["models"])

_RETRY_SECONDS: Final = 5
_PATIENCE: Final = 10.0
"""Seconds to wait for a training or another person who moves a champion right now."""

_FOLLOWS: Final = "MLflow's alias follows with the next training or `saran models` command."
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    409: {"description": "The version is broken, there is none to go back to, or another moves a champion right now"},
    503: {"description": "The store of models cannot be read or written, or PostgreSQL is away"},
}


@router.post(
    "/system/models/{name}/promote",
    responses={**_RESPONSES, 404: {"description": "There is no such version"}},
    summary="Make a version the champion",
)
def promote(
    request: Request, state: Annotated[State, Depends(state_of)], name: Name, asked: PromoteRequest
) -> ChampionMoved:
    """It is checked as before it is served. Every process of the API serves it within seconds, and no request fails."""
    why = _who(request)
    return _told(
        lambda: champion_orders.promote(state.settings, asked.version, name, why=why, patience=_PATIENCE), unknown=404
    )


@router.post("/system/models/{name}/rollback", responses=_RESPONSES, summary="Make the champion before it the champion")
def roll_back(request: Request, state: Annotated[State, Depends(state_of)], name: Name) -> ChampionMoved:
    """Asked again, the one before that. It is checked and served as one that is promoted."""
    why = _who(request)
    return _told(lambda: champion_orders.roll_back(state.settings, name, why=why, patience=_PATIENCE), unknown=409)


def _who(request: Request) -> str:
    holder: Holder | None = request.scope.get(HOLDER)
    return "asked of the API" if holder is None else f"asked of the API by {holder.name}"


def _told(order: Callable[[], Moved], *, unknown: int) -> ChampionMoved:
    try:
        moved = order()
    except UnknownVersionError as error:
        raise Problem(unknown, str(error)) from None
    except SaranError as error:
        away = isinstance(error.__cause__, psycopg.Error | OSError)
        if away and not isinstance(error.__cause__, FileNotFoundError):
            raise Problem(503, str(error), retry_after=_RETRY_SECONDS) from error
        raise Problem(409, str(error)) from None
    except OSError as error:
        raise Problem(
            503,
            f"the champion cannot be moved from here ({error}): the API's user of the store must be allowed to write "
            "`champion` and `champions.json` of a model; `saran models promote` and `rollback` move it as who may",
            retry_after=_RETRY_SECONDS,
        ) from error
    return ChampionMoved(model=moved.model, champion=moved.champion, before=moved.before, note=_FOLLOWS)
