"""Around every request: an id, metrics, safe headers and a bound on the body. Plain ASGI, for its cost."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from saran.api.metrics import ApiMetrics
from saran.api.problem import Problem, problem_response
from saran.api.recommendation_ids import RECOMMENDATION_ID
from saran.core import log_lines

_log = logging.getLogger("saran.api")

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
_OF_DATA: Final = [
    *_HEADERS,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
_FILES: Final = ("/docs", "/media/", "/static-offline-docs/")
"""A page with scripts, and files that browsers may keep."""

_UNBOUNDED: Final = "/import/"
"""Bodies that are read part by part."""

CORS: Final[dict[str, Any]] = {
    "allow_methods": ("GET", "POST", "PUT", "DELETE"),
    "allow_headers": ("Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id"),
    "expose_headers": ("X-Request-Id", RECOMMENDATION_ID, "Retry-After"),
}
"""What pages of other origins may send and see, where their origins are named."""

_UNEXPECTED: Final = "an unexpected error; the API's log has it under this answer's X-Request-Id"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Edge:
    """The outermost layer. An id that the client sends as X-Request-Id is kept when it is short and plain.

    An error that nobody expected is answered here, so that its answer has an id and headers too, and logged.
    """

    def __init__(self, app: ASGIApp, metrics: ApiMetrics, *, log_requests: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._log_requests = log_requests
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id, length = b"", b""
        for name, value in scope["headers"]:
            if name == b"x-request-id" and len(value) <= 64 and value.translate(None, b"-_.").isalnum():
                request_id = value
            elif name == b"content-length":
                length = value
        request_id = request_id or f"{self._prefix}{next(self._numbers):x}".encode()
        begun = started
        told = log_lines.request_id.set(request_id.decode())
        headers = _HEADERS if scope["path"].startswith(_FILES) else _OF_DATA
        status = 0
        self._metrics.open_requests += 1

        async def answer(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status = message["status"]
                begun = time.perf_counter()
                message["headers"] = [*message["headers"], (b"x-request-id", request_id), *headers]
            await send(message)

        try:
            if scope["path"].startswith(_UNBOUNDED):
                await self._app(scope, receive, answer)
            elif length.isdigit() and int(length) > MAX_BODY_BYTES:
                await problem_response(413, _TOO_LARGE)(scope, receive, answer)
            elif scope["method"] in {"GET", "HEAD"}:
                await self._app(scope, receive, answer)
            else:
                await self._app(scope, _bounded(receive), answer)
        except Exception:
            _log.exception("request %s failed", request_id.decode())
            if status:
                # The rest of the answer cannot come: the server ends the connection, so that it is not taken for whole.
                raise
            await problem_response(500, _UNEXPECTED)(scope, receive, answer)
        finally:
            self._metrics.open_requests -= 1
            self._count(scope, status or 500, started, begun)
            log_lines.request_id.reset(told)

    def _count(self, scope: Scope, status: int, started: float, begun: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "unmatched")
        # A stream has answered when it begins.
        ended = begun if method == "GET" and route.startswith("/stream/") else time.perf_counter()
        seconds = ended - started
        self._metrics.observe(method, route, status, seconds)
        if self._log_requests:
            # By the route and not the path, which may name a user.
            facts = {"method": method, "route": route, "status": status, "milliseconds": round(seconds * 1000, 2)}
            _log.info("%s %s %d", method, route, status, extra={log_lines.FACTS: facts})


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
