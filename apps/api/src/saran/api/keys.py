"""API keys at the API: who may call what. Their file is read again when it changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from saran.api.own_users import BOUND
from saran.api.problem import problem_response
from saran.api.rate_limit import RateLimit
from saran.core.api_keys import Holder, KeyScope, hash_of, read_keys
from saran.core.errors import SaranError

HOLDER: Final = "saran.holder"
"""Where a request's scope has the holder of its key, where the API asks for keys."""

_log = logging.getLogger("saran.api")

_POLL_SECONDS: Final = 1.0
_BEARER: Final = b"bearer "

# Probes have no key, and a browser sends none for a page's scripts and images.
_OPEN_PATHS: Final = frozenset({"/live", "/ready", "/health", "/docs", "/openapi.json"})
_OPEN_FOLDERS: Final = ("/media/", "/static-offline-docs/")

# What is asked by POST because it does not fit into a query.
_QUESTIONS: Final = frozenset(
    {"/recommendations/session", "/recommendations/batch", "/rank", "/predict-transaction", "/segment-user"}
)

_EVENTS: Final = "/stream/events"
_ALL: Final = ("/export/", "/import/")


class KeyFile:
    """The keys of a file, as it is now: looked at once a second at most."""

    def __init__(self, file: Path) -> None:
        """Raises SaranError when the file cannot be read or holds no key."""
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._holders: Mapping[str, Holder] = {}
        self._next_look = 0.0
        self._read(self._now())

    def holder(self, key: bytes) -> Holder | None:
        """Whose key it is."""
        if time.monotonic() >= self._next_look:
            self._look()
        return self._holders.get(hash_of(key))

    def _look(self) -> None:
        self._next_look = time.monotonic() + _POLL_SECONDS
        try:
            stamp = self._now()
            if stamp != self._stamp:
                self._read(stamp)
                _log.info("%s: %d keys now", self._file, len(self._holders))
        except SaranError as error:
            _log.error("%s; the keys of before still hold", error)

    def _now(self) -> tuple[int, int]:
        try:
            status = self._file.stat()
        except OSError as error:
            raise SaranError(f"no API keys in {self._file}: {error}", fix="make one with `saran api-key`") from error
        return status.st_mtime_ns, status.st_ino

    def _read(self, stamp: tuple[int, int]) -> None:
        # Told once for each broken file, not once a second.
        self._stamp = stamp
        try:
            text = self._file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SaranError(f"{self._file} cannot be read: {error}", fix="make it with `saran api-key`") from error
        if not (holders := read_keys(text, self._file)):
            raise SaranError(f"{self._file} holds no key", fix="make one with `saran api-key`")
        self._holders = holders


class KeyCheck:
    """Answers 401 to a request without a known key, 403 to one whose key does not have the scope, 429 to one too many.

    `per_second` is what each key may ask of this process, 0 for as much as it likes.
    """

    def __init__(self, app: ASGIApp, keys: KeyFile, per_second: float = 0) -> None:
        self._app = app
        self._keys = keys
        self._limit = RateLimit(per_second) if per_second else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        holder = self._keys.holder(_given(scope))
        needed = needed_scope(scope["method"], scope["path"])
        if holder is None:
            refusal = problem_response(
                401,
                "this needs an API key that is known here: send `Authorization: Bearer KEY`",
                headers={"WWW-Authenticate": "Bearer"},
            )
            await refusal(scope, receive, send)
        elif not holder.may(needed):
            await problem_response(403, f"the key of {holder.name} does not have the scope `{needed}`")(
                scope, receive, send
            )
        elif self._limit and (seconds := self._limit.wait(holder.name)):
            await problem_response(
                429, f"the key of {holder.name} asks too often", headers={"Retry-After": str(seconds)}
            )(scope, receive, send)
        else:
            scope[HOLDER] = holder
            if holder.users is not None:
                scope[BOUND] = holder
            await self._app(scope, receive, send)


def is_open(path: str) -> bool:
    """Whether anyone may ask for it."""
    return path in _OPEN_PATHS or path.startswith(_OPEN_FOLDERS)


def needed_scope(method: str, path: str) -> KeyScope:
    """Some questions are too long for a query; whatever changes more than a history is `admin`'s."""
    if path.startswith(_ALL):
        return "admin"
    if method in {"GET", "HEAD", "OPTIONS"} or path in _QUESTIONS:
        return "read"
    return "events" if path == _EVENTS else "admin"


def _given(scope: Scope) -> bytes:
    """The request's key, or nothing."""
    for name, value in scope["headers"]:
        if name == b"authorization" and value[: len(_BEARER)].lower() == _BEARER:
            return bytes(value[len(_BEARER) :].strip())
    return b""
