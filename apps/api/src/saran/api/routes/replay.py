"""Refused records, sent again."""

from __future__ import annotations

import asyncio
import time
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Final

from fastapi import APIRouter, Depends

from saran.api.acknowledge import KAFKA_AWAY, acknowledged
from saran.api.lake_rows import RowsAwayError
from saran.api.problem import Problem
from saran.api.replay import Mended, mend, refused_rows
from saran.api.state import State, state_of
from saran.core.replay_shapes import MOST_TOLD, Replay, ReplayRequest, StillRefused

router = APIRouter(tags=["system"])

_RETRY_SECONDS: Final = 2


@router.post(
    "/system/rejected/replay",
    responses={**KAFKA_AWAY, 422: {"description": "Neither records nor a topic or reason are asked for"}},
    summary="Send refused records again",
)
async def replay(state: Annotated[State, Depends(state_of)], asked: ReplayRequest) -> Replay:
    """Those that are right now, corrected or because a rule has changed, go to their topic; the others are told.

    What is sent twice changes nothing, since an event keeps its event_id and an item replaces what was said before.
    silver.rejected keeps the records. What was said of an erased user stays away.
    """
    corrections = {one.content_id: one.value for one in asked.records}
    unknown = dict.fromkeys(corrections)
    done = Replay(found=0, replayed=0, refused=0, still_refused=[], unknown=[])
    parts = refused_rows(state.settings, asked)
    try:
        while (rows := await asyncio.to_thread(next, parts, None)) is not None:
            now_ms = time.time_ns() // 1_000_000
            mended = [mend(state.settings, row, corrections.get(row["content_id"]), now_ms) for row in rows]
            sent = sorted((one for one in mended if isinstance(one, Mended)), key=attrgetter("topic"))
            for topic, records in groupby(sent, key=attrgetter("topic")):
                await acknowledged(state, topic, [(one.key, one.value) for one in records])
            refused = [one for one in mended if isinstance(one, StillRefused)]
            for row in rows:
                unknown.pop(row["content_id"], None)
            done = Replay(
                found=done.found + len(rows),
                replayed=done.replayed + len(sent),
                refused=done.refused + len(refused),
                still_refused=[*done.still_refused, *refused][:MOST_TOLD],
                unknown=[],
            )
    except Problem as problem:
        problem.detail = f"{done.replayed} records were replayed; {problem.detail}"
        raise
    except RowsAwayError as error:
        raise Problem(503, f"silver.rejected cannot be read ({error})", retry_after=_RETRY_SECONDS) from error
    return done.model_copy(update={"unknown": list(unknown)})
