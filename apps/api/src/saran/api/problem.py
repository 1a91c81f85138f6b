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

MEDIA_TYPE: Final = "application/problem+json"


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
    app.exception_handler(Exception)(_unexpected)


async def _http(_request: Request, error: HTTPException) -> Response:
    extra = error.extra if isinstance(error, Problem) else None
    return problem_response(error.status_code, error.detail, headers=error.headers, extra=extra)


async def _validation(_request: Request, error: RequestValidationError) -> Response:
    return await _http(_request, invalid([(tuple(one["loc"]), str(one["msg"])) for one in error.errors()]))


def invalid(found: Sequence[tuple[tuple[int | str, ...], str]]) -> Problem:
    """422 of one or more (place, reason); a place begins with `query`, `path`, `header` or `body`."""
    errors = [_place(location, reason) for location, reason in found]
    first = errors[0]
    where = first["field"] if first["index"] is None else f"element {first['index']}, {first['field']}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem(422, f"{where}: {first['reason']}{more}", errors=errors)


def _place(location: tuple[int | str, ...], reason: str) -> dict[str, Any]:
    """Where in the request: `index` is the element of a list in the body, None elsewhere."""
    source, *rest = location
    index = rest.pop(0) if source == "body" and rest and isinstance(rest[0], int) else None
    field = ".".join(str(part) for part in rest) or str(source)
    return {"in": source, "index": index, "field": field, "reason": reason.removeprefix("Value error, ")}


async def _unexpected(_request: Request, _error: Exception) -> Response:
    return problem_response(500, "an unexpected error; the API's log has it under this answer's X-Request-Id")
