"""One question over HTTP: bounded waits, repeated where that is safe, its errors in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import httpx
from pydantic import ValidationError

from saran.client.errors import ApiAway, ApiError
from saran.core.api_shapes import ProblemDetails

TIMEOUT: Final = httpx.Timeout(5.0, connect=1.0)
"""Longest waits for the API in seconds; a page must not hang longer than a person would wait."""

_STREAM_TIMEOUT: Final = httpx.Timeout(60.0, connect=1.0)
"""A stream without news says every 15 seconds that it is still there, unless the API is set otherwise."""

_PASSING: Final = frozenset({429, 502, 503, 504})
"""Statuses that may be others a moment later."""

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries, whatever Retry-After says: a caller that can wait longer asks again itself."""

_FIXES: Final = {
    401: "give a key that this API knows: `saran api-key` makes one",
    403: "give a key that has the scope",
    429: "ask less often, or wait",
}


class Transport:
    """Asks the API at `url`. Threads can share it."""

    def __init__(
        self, url: str, *, key: str | None, timeout: httpx.Timeout, retries: int, pause: Callable[[float], None]
    ) -> None:
        self.url = url.rstrip("/")
        self._retries = retries
        self._pause = pause
        headers = {"Authorization": f"Bearer {key}"} if key else None
        # trust_env=False: a proxy of the environment must not come between two parts of one installation.
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, method: str, path: str, *, safe: bool, **request: Any) -> httpx.Response:
        """The answer to one question, asked again after a passing failure when it is `safe` to ask twice.

        Raises ApiAway or ApiError.
        """
        for left in reversed(range(self._retries + 1 if safe else 1)):
            try:
                response = self._once(method, path, **request)
            except ApiAway:
                if not left:
                    raise
                self._pause(self._wait(left, None))
                continue
            if not response.is_error:
                return response
            error = _refusal(response)
            if not left or response.status_code not in _PASSING:
                raise error
            self._pause(self._wait(left, error.retry_after))
        raise AssertionError("the last try returns or raises")

    def _wait(self, left: int, told: float | None) -> float:
        doubled: float = _FIRST_PAUSE * 2 ** (self._retries - left)
        return min(doubled if told is None else max(told, doubled), _LONGEST_PAUSE)

    def stream(self, path: str, **params: Any) -> Iterator[str]:
        """What each message of a stream of server-sent events says, until the stream ends.

        It is open when this returns. Raises ApiAway or ApiError, ApiAway also while it lasts.
        """
        # Saran's messages are JSON, which is one line.
        told = self.lines(path, **params)
        return (line.removeprefix("data: ") for line in told if line.startswith("data: "))

    def lines(self, path: str, **params: Any) -> Iterator[str]:
        """The lines of an answer of any length, while they come. Raises as `stream` does."""
        request = self._http.build_request("GET", path, params=params, timeout=_STREAM_TIMEOUT)
        with self._reaching():
            response = self._http.send(request, stream=True)
            if response.is_error:
                response.read()
                raise _refusal(response)
        return self._lines(response)

    def _lines(self, response: httpx.Response) -> Iterator[str]:
        rest = ""
        with closing(response), self._reaching():
            for text in response.iter_text():
                # Not splitlines: JSON may hold U+2028, which ends no line of it.
                *whole, rest = (rest + text).split("\n")
                yield from whole
        if rest:
            yield rest

    def _once(self, method: str, path: str, **request: Any) -> httpx.Response:
        with self._reaching():
            return self._http.request(method, path, **request)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """ApiAway in place of what httpx raises when the API is away."""
        try:
            yield
        except httpx.TimeoutException as error:
            raise ApiAway(
                f"the API at {self.url} does not answer in time", fix="see `saran status` and the log of the API"
            ) from error
        except httpx.TransportError as error:
            raise ApiAway(
                f"the API at {self.url} does not answer", fix="start it with `saran up`, or set SARAN_API_URL"
            ) from error


def _refusal(response: httpx.Response) -> ApiError:
    """The error that a problem document (RFC 9457) tells, or the status line where there is none."""
    status = response.status_code
    try:
        problem = ProblemDetails.model_validate_json(response.content)
    except ValidationError:
        problem = None
    words = problem and (problem.detail or problem.title)
    return ApiError(
        words or f"the API answered {status} {response.reason_phrase}",
        fix=_FIXES.get(status),
        status=status,
        faults=(problem and problem.errors) or (),
        retry_after=_seconds(response.headers.get("Retry-After")),
    )


def _seconds(header: str | None) -> float | None:
    """Retry-After as the API writes it; its other form, a date, no part of Saran sends."""
    return float(header) if header and header.isdecimal() else None
