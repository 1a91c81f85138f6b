"""Errors as RFC 9457 `application/problem+json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from saran.core.api_shapes import Fault

MEDIA_TYPE: Final = "application/problem+json"

Place = tuple[int | str, ...]
"""Of a fault in a request; it begins with `query`, `path`, `header` or `body`."""

_LONGEST_FIELD: Final = 256


class Problem(HTTPException):
    """An error that the client is told about. `extra` members are added to the document."""

    def __init__(self, status: int, detail: str, *, retry_after: int | None = None, **extra: Any) -> None:
        headers = None if retry_after is None else {"Retry-After": str(retry_after)}
        super().__init__(status, detail, headers)
        self.extra = extra


def problem_response(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, extra: Mapping[str, Any] | None = None
) -> Response:
    """The document of one problem; its type is the HTTP status."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body = json.dumps({**document, **(extra or {})}, ensure_ascii=False)
    return Response(body, status, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of `app` as a problem."""
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(RequestValidationError)(_validation)


async def _http(request: Request, error: HTTPException) -> Response:
    extra = error.extra if isinstance(error, Problem) else None
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(sorted(_methods(request)))}
    return problem_response(error.status_code, error.detail, headers=headers, extra=extra)


def _methods(request: Request) -> set[str]:
    """What the request's path can be asked by: each method is a route of its own, and Starlette tells of one."""
    found: set[str] = set()
    for route in request.app.router.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return found


async def _validation(request: Request, error: RequestValidationError) -> Response:
    return await _http(request, invalid([(tuple(one["loc"]), str(one["msg"])) for one in error.errors()]))


def invalid(found: Sequence[tuple[Place, str]]) -> Problem:
    """422 of one or more (place, reason)."""
    return faulty([fault(place, reason) for place, reason in found])


def faulty(errors: Sequence[Fault]) -> Problem:
    """422 of one or more faults."""
    first = errors[0]
    where = first.field if first.index is None else f"element {first.index}, {first.field}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    told = [one.model_dump(by_alias=True) for one in errors]
    return Problem(422, f"{where}: {first.reason}{more}", errors=told)


def fault(place: Place, reason: str) -> Fault:
    """Where in the request: `index` is the element of a list in the body, None elsewhere."""
    source, *rest = place
    index = rest.pop(0) if source == "body" and rest and isinstance(rest[0], int) else None
    # A member's name may hold half of a surrogate pair, which is no text that can be sent.
    field = ".".join(str(part) for part in rest)[:_LONGEST_FIELD].encode(errors="replace").decode() or str(source)
    told = {"in": source, "index": index, "field": field, "reason": reason.removeprefix("Value error, ")}
    return Fault.model_validate(told)
