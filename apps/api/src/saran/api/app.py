"""The application: routes, the edge around them, and the tasks behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Security
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from saran.api import problem
from saran.api.keys import KeyCheck, KeyFile
from saran.api.metrics import ApiMetrics
from saran.api.middleware import CORS, Edge
from saran.api.openapi import describe_errors
from saran.api.own_users import own_users_only
from saran.api.routes import (
    ages,
    alike_users,
    analytics,
    champions,
    erasure,
    events,
    experiments,
    items,
    lists,
    media,
    models,
    pipeline,
    recommendations,
    replay,
    segments,
    strategies,
    streams,
    system,
    transfer,
    trending,
    users,
    visitors,
)
from saran.api.state import State
from saran.core.settings import Settings

_DESCRIPTION = """
Recommendations that learn from the next click. Every answer says its `source` and `model_version`; errors are
`application/problem+json` (RFC 9457).
"""


def create_app(settings: Settings) -> FastAPI:
    """The API of one installation. Its parts start with the application and end with it.

    Raises SaranError when its keys cannot be read, or a cluster's are not given.
    """
    metrics = ApiMetrics()
    keys = KeyFile(settings.api_keys_file) if settings.api_keys_file else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.saran = State(settings, metrics)
        async with app.state.saran.running():
            yield

    # FastAPI's own /docs fetches scripts and styles from the internet, and Swagger UI tells a validator there the API's
    # address.
    app = FastAPIOffline(
        title="Saran",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        swagger_ui_parameters={"validatorUrl": None},
        # KeyCheck checks the key, which HTTPBearer shows /docs where to type.
        dependencies=[
            Security(HTTPBearer(auto_error=False, description="An API key")),
            Depends(own_users_only),
        ]
        if keys
        else None,
    )
    if keys:
        app.add_middleware(KeyCheck, keys=keys, per_second=settings.serving.requests_per_second)
    if origins := settings.serving.cors_origins:
        # Outside of KeyCheck: a browser asks whether it may ask without a key.
        app.add_middleware(CORSMiddleware, allow_origins=origins.split(","), **CORS)
    app.add_middleware(Edge, metrics=metrics, log_requests=settings.serving.log_requests)
    problem.install(app)
    # A user's id may hold slashes: what is below a user comes before the user.
    of_users = (experiments, strategies, streams, visitors, erasure, alike_users, users)
    of_operators = (system, pipeline, replay, models, champions)
    of_items = (lists, trending, analytics, segments, ages, items, media)
    for group in (*of_operators, events, transfer, *of_items, *of_users):
        app.include_router(group.router)
    recommendations.install(app)
    describe_errors(app)
    return app
