"""A route that takes its list as lines of JSON too (NDJSON), one element a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

MEDIA_TYPE: Final = "application/x-ndjson"
_TYPES: Final = frozenset({MEDIA_TYPE, "application/ndjson", "application/jsonl"})


class NdjsonRoute(APIRoute):
    """Turns lines into the JSON array that the endpoint expects; empty lines are no elements."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, behind the translation."""
        handle = super().get_route_handler()

        async def translated(request: Request) -> Response:
            given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            return await handle(await _as_array(request) if given in _TYPES else request)

        return translated


def _value(line: bytes) -> bytes:
    """The line, or where it is not one JSON value the string of it: that is an element of the wrong type."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return json.dumps(line.decode(errors="replace")).encode()
    return line


async def _as_array(request: Request) -> Request:
    lines = [_value(line) for line in (await request.body()).splitlines() if line.strip()]
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
    scope = {**request.scope, "headers": [*headers, (b"content-type", b"application/json")]}
    array = Request(scope, request.receive)
    array._body = b"[%b]" % b",".join(lines)
    return array
