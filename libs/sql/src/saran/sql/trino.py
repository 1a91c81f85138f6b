"""Statements to a Trino server, by as much of its HTTP protocol as is needed (trino.io/docs/current/develop)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from saran.core.errors import SaranError

CATALOG: Final = "delta"
"""Trino's catalog of the lakehouse's tables."""

_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.1
_BUSY: Final = frozenset({502, 503, 504})
_WHOLE_TIMES: Final = {"X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME"}
"""Without it Trino cuts times to milliseconds, as old clients want them."""


class StatementError(Exception):
    """Trino refused a statement. `name` is its own word for why, such as TABLE_ALREADY_EXISTS."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


@dataclass
class Rows:
    """What a statement gave: name and type of each column as Trino says them, and the values by row."""

    columns: list[tuple[str, str]] = field(default_factory=list)
    values: list[list[Any]] = field(default_factory=list)


class Trino:
    """One user's statements, one after the other."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def run(self, statement: str, *, most: int | None = None, seconds: float | None = None) -> Rows:
        """What it gives. With `most` rows or more at hand no more are asked for, and Trino is told to stop.

        Raises StatementError when it is refused, by EXCEEDED_TIME_LIMIT when it took more than `seconds`, SaranError
        when nobody answers.
        """
        headers = {"X-Trino-Catalog": CATALOG, "X-Trino-Time-Zone": "UTC", **_WHOLE_TIMES}
        if seconds is not None:
            headers["X-Trino-Session"] = f"query_max_run_time={seconds:g}s"
        end = None if seconds is None else time.monotonic() + seconds
        answer = self._ask("POST", "/v1/statement", content=statement.encode(), headers=headers)
        rows = Rows()
        while True:
            if answer.get("columns"):
                rows.columns = [(one["name"], one["type"]) for one in answer["columns"]]
            rows.values += answer.get("data") or []
            if error := answer.get("error"):
                raise StatementError(error["errorName"], error["message"])
            following = answer.get("nextUri")
            if not following:
                return rows
            if most is not None and len(rows.values) >= most:
                self._stop(following)
                return rows
            if end is not None and time.monotonic() > end:
                self._stop(following)
                raise StatementError("EXCEEDED_TIME_LIMIT", f"more than {seconds:g} s")
            answer = self._ask("GET", following)

    def _stop(self, following: str) -> None:
        try:
            self._client.delete(following).raise_for_status()
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _ask(self, method: str, address: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._client.request(method, address, **options)
            while answer.status_code in _BUSY and method == "GET":
                time.sleep(_PAUSE_SECONDS)
                answer = self._client.request(method, address, **options)
            answer.raise_for_status()
            return dict(answer.json())
        except (httpx.HTTPError, ValueError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> SaranError:
        return SaranError(
            f"Trino at {self._client.base_url} does not answer: {error}", fix="start it, or set SARAN_TRINO_URL"
        )


@contextmanager
def connect(url: str, user: str) -> Iterator[Trino]:
    """A user's connection; Trino takes the name as it is said, unless it asks for passwords.

    Raises SaranError when no address is named.
    """
    if not url:
        raise SaranError("no Trino is named", fix="set SARAN_TRINO_URL, such as http://127.0.0.1:8080")
    with httpx.Client(base_url=url, headers={"X-Trino-User": user}, timeout=_SECONDS, trust_env=False) as client:
        yield Trino(client)
