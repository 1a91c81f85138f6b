"""The segments that users fall into."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends

from saran.api.lake_rows import RowsAwayError
from saran.api.problem import Problem
from saran.api.state import State, state_of
from saran.core.visitor_shapes import SegmentsTold

_RETRY_SECONDS: Final = 10
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    503: {"description": "No segmentation was ever trained, or the tables do not answer"}
}
router = APIRouter(tags=["analytics"])


@router.get("/analytics/segments", responses=_PROBLEMS, summary="Segments, how large they are and what they do")
async def segments(state: Annotated[State, Depends(state_of)]) -> SegmentsTold:
    """Of all users that the last segmentation saw, the largest segment first; `drift` is against the version before.

    Not of a range of time: a user's segment is by all that the user did within the training's window.
    """
    try:
        told = await state.segments.read()
    except RowsAwayError as error:
        raise Problem(503, f"the tables do not answer: {error}", retry_after=_RETRY_SECONDS) from None
    if told is None:
        raise Problem(503, "no segmentation was trained yet: run `saran train segments`", retry_after=_RETRY_SECONDS)
    return told
