"""`saran erase-user` against answers as the API gives them."""

from __future__ import annotations

import json

import httpx
import pytest

from saran.cli import erase_user
from saran.core.errors import SaranError

_TAKEN = {"request_id": "r", "requested_at": "2026-01-01T00:00:00Z", "deadline": "2026-01-31T00:00:00Z"}


class Api:
    """Knows of the erasure from the second question on, and has it done at the third."""

    def __init__(self, *, done: bool = True) -> None:
        self.asked: list[str] = []
        self._done = done

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.raw_path.decode()}")
        questions = len(self.asked) - 1
        if request.method == "DELETE":
            return httpx.Response(202, json=_TAKEN)
        if questions < 2:
            return httpx.Response(404, json={})
        done_at = "2026-01-01T00:00:09Z" if self._done and questions > 2 else None
        return httpx.Response(200, json={**_TAKEN, "until": None, "tables_done_at": done_at})


def _run(api: Api, *, events_only: bool = False, stay: bool = True, seconds: float = 60) -> None:
    erase_user.erase_user(
        "a/b",
        events_only=events_only,
        stay=stay,
        seconds=seconds,
        as_json=True,
        transport=httpx.MockTransport(api),
    )


def test_it_is_followed_until_the_tables_are_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase_user, "_POLL_SECONDS", 0.0)
    api = Api()
    _run(api)
    assert api.asked == ["DELETE /users/a%2Fb", *["GET /users/a%2Fb/erasure"] * 3]
    assert json.loads(capsys.readouterr().out)["tables_done_at"] == "2026-01-01T00:00:09Z"
    events = Api()
    _run(events, events_only=True, stay=False)
    assert events.asked == ["DELETE /users/a%2Fb/events"]


def test_what_is_not_done_in_time_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase_user, "_POLL_SECONDS", 0.0)
    with pytest.raises(SaranError, match="request r was taken, but is not done yet"):
        _run(Api(done=False), seconds=0.05)
