"""The API's client: typed answers, bounded waits, errors that say what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from saran.core.api_shapes import (
    Accepted,
    Card,
    Categories,
    CategoryCount,
    Found,
    Health,
    History,
    Recommendations,
    Similar,
    StreamEvent,
    SystemMetrics,
)
from saran.core.errors import SaranError
from saran.core.list_options import ListOptions

TIMEOUT: Final = httpx.Timeout(5.0, connect=1.0)
"""Longest waits for the API in seconds; a page must not hang longer than a person would wait."""

_Answer = TypeVar("_Answer", bound=BaseModel)


class ApiError(SaranError):
    """The API refused or could not answer; `status` is its HTTP status."""

    def __init__(self, message: str, *, fix: str | None = None, status: int | None = None) -> None:
        super().__init__(message, fix=fix)
        self.status = status


class ApiAway(ApiError):
    """Nothing answers at the API's address, or not in time."""


class Api:
    """The API at `url`. Safe to share between threads. Every method raises ApiAway or ApiError."""

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None, timeout: httpx.Timeout = TIMEOUT) -> None:
        self.url = url
        # trust_env=False: a proxy of the environment must not come between two parts of one installation.
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> Health:
        """Which parts are there."""
        return self._get(Health, "/health")

    def metrics(self) -> SystemMetrics:
        """Counts by layer, rate, lag and the served model."""
        return self._get(SystemMetrics, "/system/metrics")

    def recommendations(self, user_id: str, options: ListOptions) -> Recommendations:
        """The best items for a user, known or not. ApiError with status 503 before the first training."""
        asked = options.model_dump(mode="json", exclude_defaults=True)
        return self._get(Recommendations, f"/recommendations/user/{_segment(user_id)}", **asked)

    def categories(self) -> list[CategoryCount]:
        """The categories that a list can be asked for, those of most items first."""
        return self._get(Categories, "/categories").categories

    def similar(self, item_id: str, *, limit: int) -> Similar:
        """The `limit` items most like one. ApiError with status 404 when the model does not know it."""
        return self._get(Similar, f"/recommendations/similar/{_segment(item_id)}", limit=limit)

    def history(self, user_id: str, *, limit: int) -> History:
        """A user's last `limit` events, newest first; empty for an unknown user."""
        return self._get(History, f"/users/{_segment(user_id)}/history", limit=limit)

    def search(self, query: str, *, limit: int) -> list[Card]:
        """Items whose title holds `query`."""
        return self._get(Found, "/search", q=query, limit=limit).items

    def send(self, events: Sequence[StreamEvent], *, idempotency_key: str) -> Accepted:
        """Post events; returns when Kafka has them. Sending again with the same key adds nothing."""
        path = "/stream/events"
        body = [event.model_dump(mode="json", exclude_none=True) for event in events]
        answer = self._json("POST", path, json=body, headers={"Idempotency-Key": idempotency_key})
        return self._typed(Accepted, answer, path)

    def _get(self, shape: type[_Answer], path: str, **params: Any) -> _Answer:
        return self._typed(shape, self._json("GET", path, params=params), path)

    def _typed(self, shape: type[_Answer], answer: object, path: str) -> _Answer:
        try:
            return shape.model_validate(answer)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ApiError(
                f"the API's answer to {path} is not understood ({field}: {first['msg']})",
                fix="run dashboard and API of the same version",
            ) from error

    def _json(self, method: str, path: str, **request: Any) -> Any:
        try:
            response = self._http.request(method, path, **request)
        except httpx.TimeoutException as error:
            raise ApiAway(
                f"the API at {self.url} does not answer in time", fix="see `saran status` and the log of the API"
            ) from error
        except httpx.TransportError as error:
            raise ApiAway(
                f"the API at {self.url} does not answer", fix="start it with `saran up`, or set SARAN_API_URL"
            ) from error
        if response.is_error:
            raise ApiError(_reason(response), status=response.status_code)
        try:
            return response.json()
        except ValueError as error:
            raise ApiError(
                f"{self.url}{path} answers something other than JSON", fix="check SARAN_API_URL: is it Saran's API?"
            ) from error


def _reason(response: httpx.Response) -> str:
    """The words of a problem document (RFC 9457), or the status line where there is none."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        words = problem.get("detail") or problem.get("title")
        if isinstance(words, str) and words:
            return words
    return f"the API answered {response.status_code} {response.reason_phrase}"


def _segment(identifier: str) -> str:
    """An id as one segment of a path, whatever characters it holds."""
    return quote(identifier, safe="")
