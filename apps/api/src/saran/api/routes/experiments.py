"""Experiments: what runs, and what came of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends

from saran.api.experiments import ConflictError
from saran.api.online_reader import StoreAwayError
from saran.api.problem import Problem
from saran.api.state import State, state_of
from saran.core.experiment_shapes import Experiment, ExperimentDefinition, Experiments, Name

router = APIRouter(tags=["experiments"])

_RETRY_SECONDS: Final = 2
_AWAY: Final[dict[int | str, dict[str, Any]]] = {503: {"description": "PostgreSQL is away"}}


@router.get("/experiments", responses=_AWAY, summary="Experiments and their figures")
async def experiments(state: Annotated[State, Depends(state_of)]) -> Experiments:
    """Of each variant, the users who were shown its lists, and the shares of them who went on, by the events so far.

    One user is one observation, so the intervals hold however many lists a user was shown.
    """
    try:
        return Experiments(experiments=await state.experiments.figures())
    except StoreAwayError:
        raise _away() from None


@router.put(
    "/experiments/{name}",
    responses={**_AWAY, 409: {"description": "Another one runs, or its variants were others"}},
    summary="Begin, change or end an experiment",
)
async def put_experiment(
    state: Annotated[State, Depends(state_of)], name: Name, definition: ExperimentDefinition
) -> Experiment:
    """All processes of the API serve by it within three seconds. It is about lists for a user whose request does not
    set `diversity` itself; users fall on variants by a hash of the experiment's name and their id.
    """
    try:
        return await state.experiments.put(name, definition)
    except ConflictError as error:
        raise Problem(409, str(error)) from None
    except StoreAwayError:
        raise _away() from None


def _away() -> Problem:
    return Problem(503, "PostgreSQL is away, where experiments are kept", retry_after=_RETRY_SECONDS)
