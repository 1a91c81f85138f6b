"""Around every request: an id, metrics, safe headers and a bound on the body. Plain ASGI, for its cost."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from saran.api.metrics import ApiMetrics
from saran.api.problem import Problem, problem_response

_log = logging.getLogger("saran.api")

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Edge:
    """The outermost layer. An id that the client sends as X-Request-Id is kept when it is short and plain."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id, length = b"", b""
        for name, value in scope["headers"]:
            if name == b"x-request-id" and len(value) <= 64 and value.isalnum():
                request_id = value
            elif name == b"content-length":
                length = value
        request_id = request_id or f"{self._prefix}{next(self._numbers):x}".encode()
        status = 500
        begun = started

        async def answer(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status = message["status"]
                begun = time.perf_counter()
                message["headers"] = [*message["headers"], (b"x-request-id", request_id), *_HEADERS]
            await send(message)

        try:
            if length.isdigit() and int(length) > MAX_BODY_BYTES:
                await problem_response(413, _TOO_LARGE)(scope, receive, answer)
            elif scope["method"] in {"GET", "HEAD"}:
                await self._app(scope, receive, answer)
            else:
                await self._app(scope, _bounded(receive), answer)
        except Exception:
            _log.exception("request %s failed", request_id.decode())
            raise
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "unmatched")
            # A stream has answered when it begins.
            ended = begun if method == "GET" and route.startswith("/stream/") else time.perf_counter()
            self._metrics.observe(method, route, status, ended - started)


_TOO_LARGE: Final = f"the body is larger than {MAX_BODY_BYTES} bytes: send fewer events in one request"


def _bounded(receive: Receive) -> Receive:
    """`receive` that stops a body of unknown length at the bound."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_BODY_BYTES:
            raise Problem(413, _TOO_LARGE)
        return message

    return counted
