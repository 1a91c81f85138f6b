"""The way from Kafka into the tables, for whoever operates it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from saran.api.lake_rows import RowsAwayError
from saran.api.online_reader import StoreAwayError
from saran.api.problem import Problem
from saran.api.state import State, state_of
from saran.core.pipeline_shapes import Batches, BatchLimit, RejectedRecords, SampleLimit, Tables

router = APIRouter(tags=["system"])

_RETRY_SECONDS: Final = 2


@router.get(
    "/system/batches",
    responses={503: {"description": "PostgreSQL is away"}},
    summary="The last micro-batches of ingest",
)
async def batches(state: Annotated[State, Depends(state_of)], limit: Annotated[BatchLimit, Query()] = 100) -> Batches:
    """Of all topics. A batch without records is left out."""
    try:
        return Batches(batches=await state.analytics.batches(limit))
    except StoreAwayError:
        raise Problem(
            503, "PostgreSQL is away, which the streams tell of their batches", retry_after=_RETRY_SECONDS
        ) from None


@router.get(
    "/system/rejected",
    responses={503: {"description": "The lakehouse is away"}},
    summary="Records that were refused, and why",
)
async def rejected(
    state: Annotated[State, Depends(state_of)], sample: Annotated[SampleLimit, Query()] = 20
) -> RejectedRecords:
    """What could not be read or breaks a rule, each record once. The topic `events.dlq` has them whole."""
    try:
        return await state.rejected.read(sample)
    except RowsAwayError as error:
        raise Problem(503, f"silver.rejected cannot be read ({error})", retry_after=_RETRY_SECONDS) from error


@router.get(
    "/system/tables", responses={503: {"description": "The lakehouse is away"}}, summary="Tables, versions and sizes"
)
async def tables(state: Annotated[State, Depends(state_of)]) -> Tables:
    """Of each Delta table that there is, as it was at most ten seconds ago."""
    try:
        return Tables(tables=await state.tables.read())
    except RowsAwayError as error:
        raise Problem(503, f"the lakehouse cannot be read ({error})", retry_after=_RETRY_SECONDS) from error
