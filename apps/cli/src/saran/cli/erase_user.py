"""`saran erase-user`: orders an erasure of the API, and follows it."""

from __future__ import annotations

import json
import time
from typing import Any, Final
from urllib.parse import quote

import httpx
from rich.markup import escape

from saran.cli.console import out
from saran.core.errors import SaranError
from saran.core.settings import load_settings

_TIMEOUT: Final = 15.0
_POLL_SECONDS: Final = 1.0


def erase_user(
    user: str,
    *,
    events_only: bool,
    stay: bool,
    seconds: float,
    as_json: bool,
    transport: httpx.BaseTransport | None = None,
) -> None:
    """Order it, and with `stay` wait until tables have nothing of the user. Raises SaranError, after `seconds` too."""
    settings = load_settings()
    path = f"/users/{quote(user, safe='')}"
    with httpx.Client(
        base_url=settings.api_url,
        headers=settings.api_headers,
        timeout=_TIMEOUT,
        trust_env=False,
        transport=transport,
    ) as client:
        told = _ask(client, "DELETE", path + ("/events" if events_only else ""))
        if told is None:
            raise SaranError("the API knows no erasures", fix="run an API of this release")
        if stay:
            told = _follow(client, path, told, time.monotonic() + seconds)
    if as_json:
        out.print_json(json.dumps(told))
        return
    what = "the events of user" if events_only else "user"
    done = "gone from the online store and from the tables" if stay else "to be erased, as the API has acknowledged"
    out.print(f"{what} {escape(user)}: {done}; nothing is left of it by {told['deadline']}", highlight=False)


def _follow(client: httpx.Client, path: str, taken: dict[str, Any], deadline: float) -> dict[str, Any]:
    while time.monotonic() < deadline:
        told = _ask(client, "GET", f"{path}/erasure")
        # An order that reaches no further than an earlier one is done when that is.
        if told is not None and told["tables_done_at"] is not None:
            return told
        time.sleep(_POLL_SECONDS)
    raise SaranError(
        f"request {taken['request_id']} was taken, but is not done yet",
        fix="see whether worker and streams run, with `saran status`; they carry it out when they do",
    )


def _ask(client: httpx.Client, method: str, path: str) -> dict[str, Any] | None:
    """The answer's JSON, None for 404."""
    try:
        answer = client.request(method, path)
    except httpx.HTTPError as error:
        raise SaranError(
            f"the API at {client.base_url} does not answer: {error}",
            fix="start it with `saran up`, or set SARAN_API_URL",
        ) from error
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    if answer.is_error:
        raise SaranError(f"the API answers with {answer.status_code}: {answer.text}", fix="see `saran logs api`")
    found: dict[str, Any] = answer.json()
    return found
