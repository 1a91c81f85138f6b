"""A route that FastAPI documents and that is served without FastAPI's machinery, for the path that must be fast."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from saran.api.own_users import check_named

Direct = Callable[[Scope], Awaitable[bytes]]
"""From a request's scope to the JSON of its answer; raises Problem."""


class DirectRoute(APIRoute):
    """GET only. The endpoint's signature is what /docs shows; `direct` is what runs."""

    def __init__(self, path: str, endpoint: Callable[..., Any], *, direct: Direct, **documented: Any) -> None:
        super().__init__(path, endpoint, methods=["GET"], **documented)
        self._direct = direct

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what `direct` gives."""
        if scope["method"] != "GET":
            await super().handle(scope, receive, send)
            return
        check_named(scope)
        body = await self._direct(scope)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def add_direct_route(app: FastAPI, path: str, endpoint: Callable[..., Any], direct: Direct, **documented: Any) -> None:
    """Put the route before all others, so that finding it costs one match."""
    dependencies = app.router.dependencies
    route = DirectRoute(path, endpoint, direct=direct, dependencies=dependencies, **documented)
    app.router.routes.insert(0, route)
