"""How the installation is."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Final

import psutil
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from saran.api import analytics
from saran.api.keys import HOLDER
from saran.api.problem import Problem
from saran.api.state import State, state_of
from saran.core.api_keys import Holder
from saran.core.names import Table
from saran.core.system_shapes import Health, Readiness, ServedModel, SystemMetrics, WhoAsks

router = APIRouter(tags=["system"])

_RETRY_SECONDS: Final = 2
_PROCESS: Final = psutil.Process()


@router.get("/live", summary="Whether the process answers")
async def live() -> Readiness:
    """Always ok: who reads this has the proof."""
    return Readiness(status="ok")


@router.get("/ready", responses={503: {"description": "Traffic should go elsewhere"}}, summary="Whether it can serve")
async def ready(state: Annotated[State, Depends(state_of)]) -> Readiness:
    """Ok when it can do at least one of its jobs: answer by a model, or take events."""
    if not state.ready:
        raise Problem(503, "starting or stopping", retry_after=_RETRY_SECONDS)
    if state.models.served is None and not (await state.kafka.state()).up:
        raise Problem(503, "no model was trained yet and Kafka is away", retry_after=_RETRY_SECONDS)
    return Readiness(status="ok")


@router.get("/whoami", summary="Whose key asks, and what it may")
async def whoami(request: Request) -> WhoAsks:
    """For a page that lets a person sign in by a key."""
    holder: Holder | None = request.scope.get(HOLDER)
    if holder is None:
        return WhoAsks(keys=False)
    return WhoAsks(keys=True, name=holder.name, scopes=sorted(holder.scopes))


@router.get("/health", summary="Which parts are there")
async def health(state: Annotated[State, Depends(state_of)]) -> Health:
    """Degraded, with the reasons, when something is away; it answers with what is there."""
    kafka, platform = await asyncio.gather(state.kafka.state(), state.analytics.state())
    stored = [store.warning for store in state.stores]
    versions = {store.name: store.served.manifest.version for store in state.stores if store.served is not None}
    warnings = [text for text in (kafka.warning, platform.warning, *stored) if text]
    if state.models.served is None and state.models.warning is None:
        warnings.append("no model was trained yet: run `saran train`")
    return Health(
        status="degraded" if warnings else "ok",
        models_loaded=list(versions),
        model_versions=versions,
        warnings=warnings,
        kafka="up" if kafka.up else "away",
        postgres="up" if platform.up else "away",
        spark_session_active=platform.alive(analytics.SPARK),
    )


@router.get("/system/metrics", summary="Data set, rows, lag, speed, model")
async def system_metrics(state: Annotated[State, Depends(state_of)]) -> SystemMetrics:
    """What the dashboard shows. What cannot be read is left empty, and `warnings` says why."""
    kafka, platform = await asyncio.gather(state.kafka.state(), state.analytics.state())
    per_minute = state.request_rate.per_minute()
    served = state.models.served
    silver = platform.tables.get(Table.SILVER_EVENTS)
    return SystemMetrics(
        as_of=None if silver is None else silver.as_of,
        dataset=state.about.name,
        about=state.about.facts,
        suggested_users=platform.suggested_users,
        synthetic=None if served is None else served.manifest.synthetic,
        tables=platform.tables,
        ingest=platform.ingest,
        lag=kafka.lag,
        topics=kafka.topics,
        heartbeats=platform.heartbeats,
        model=None
        if served is None
        else ServedModel(
            version=served.manifest.version,
            created_at=served.manifest.created_at,
            evaluation=served.manifest.evaluation,
            parameters=served.manifest.parameters,
        ),
        uptime_seconds=time.monotonic() - state.started,
        memory_bytes=_PROCESS.memory_info().rss,
        requests=state.metrics.requests,
        requests_per_second=None if per_minute is None else per_minute / 60,
        routes=state.metrics.times(),
        warnings=[text for text in (kafka.warning, platform.warning, state.about.warning) if text],
    )


@router.get("/metrics", include_in_schema=False)
async def prometheus(state: Annotated[State, Depends(state_of)]) -> Response:
    """For Prometheus."""
    kafka, ends = await asyncio.gather(state.kafka.state(), state.certificates.ends())
    state.metrics.behind(kafka.lag)
    state.metrics.certificates(ends)
    return Response(generate_latest(state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
