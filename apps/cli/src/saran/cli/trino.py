"""Statements to a Trino server, by as much of its HTTP protocol as is needed (trino.io/docs/current/develop)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

from saran.core.errors import SaranError

_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.1
_BUSY: Final = frozenset({502, 503, 504})


class StatementError(Exception):
    """Trino refused a statement. `name` is its own word for why, such as TABLE_ALREADY_EXISTS."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


class Trino:
    """One user's statements, one after the other."""

    def __init__(self, client: httpx.Client, catalog: str) -> None:
        self._client = client
        self._catalog = catalog

    def run(self, statement: str) -> list[list[Any]]:
        """The rows of its answer. Raises StatementError when it is refused, SaranError when nobody answers."""
        headers = {"X-Trino-Catalog": self._catalog}
        answer = self._ask("POST", "/v1/statement", content=statement.encode(), headers=headers)
        rows: list[list[Any]] = list(answer.get("data") or [])
        while following := answer.get("nextUri"):
            answer = self._ask("GET", following)
            rows += answer.get("data") or []
        if error := answer.get("error"):
            raise StatementError(error["errorName"], error["message"])
        return rows

    def _ask(self, method: str, address: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._client.request(method, address, **options)
            while answer.status_code in _BUSY and method == "GET":
                time.sleep(_PAUSE_SECONDS)
                answer = self._client.request(method, address, **options)
            answer.raise_for_status()
            return dict(answer.json())
        except (httpx.HTTPError, ValueError) as error:
            raise SaranError(
                f"Trino at {self._client.base_url} does not answer: {error}", fix="start it, or set SARAN_TRINO_URL"
            ) from error


@contextmanager
def connect(url: str, user: str, catalog: str) -> Iterator[Trino]:
    """A user's connection; Trino takes the name as it is said, unless it asks for passwords."""
    with httpx.Client(base_url=url, headers={"X-Trino-User": user}, timeout=_SECONDS, trust_env=False) as client:
        yield Trino(client, catalog)
