"""What the demo asks of the API, over HTTP as any client would."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from saran.core.errors import SaranError

_TIMEOUT: Final = 10.0
_POLL_SECONDS: Final = 0.02
_FIX: Final = "see `saran logs api`"

Answer = dict[str, Any]


class DemoApi:
    """The API at `url`. Every method raises SaranError when it refuses or does not answer."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url
        # trust_env=False: a proxy of the environment must not come between two parts of one machine.
        self._http = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def recommendations(self, user: str, limit: int = 5) -> Answer:
        return self._json("GET", f"/recommendations/user/{quote(user, safe='')}", params={"limit": limit})

    def similar(self, item: str, limit: int) -> list[str]:
        """Ids of the items most like one."""
        answer = self._json("GET", f"/recommendations/similar/{quote(item, safe='')}", params={"limit": limit})
        return [str(one["item_id"]) for one in answer["items"]]

    def metrics(self) -> Answer:
        return self._json("GET", "/system/metrics")

    def click(self, user: str, items: Sequence[str]) -> None:
        """Send one event of `user` for each item; comes back when Kafka has them."""
        events = [{"user_id": user, "action": "click", "item_id": item} for item in items]
        self._json("POST", "/stream/events", json=events)

    def until(self, user: str, good: Callable[[Answer], bool], *, seconds: float, what: str) -> Answer:
        """Ask for a user's list until `good`; SaranError naming `what` was waited for after `seconds`."""
        deadline = time.monotonic() + seconds
        last = "no answer"
        while time.monotonic() < deadline:
            try:
                answer = self.recommendations(user)
            except SaranError as error:
                last = error.message
            else:
                if good(answer):
                    return answer
                last = f"source {answer.get('source')}, model {answer.get('model_version')}"
            time.sleep(_POLL_SECONDS)
        raise SaranError(f"after {seconds:.0f} s the API still does not {what} ({last})", fix=_FIX)

    def _json(self, method: str, path: str, **request: Any) -> Answer:
        try:
            response = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise SaranError(f"the API at {self.url} does not answer: {error}", fix=_FIX) from error
        if response.is_error:
            raise SaranError(f"the API answers {method} {path} with {response.status_code}: {response.text}", fix=_FIX)
        answer: Answer = response.json()
        return answer


@dataclass(frozen=True)
class Clicks:
    """A new user's lists before and after three clicks, and milliseconds from Kafka's word to the new list."""

    user: str
    before: Answer
    clicked: list[str]
    after: Answer
    milliseconds: float


def three_clicks(api: DemoApi, first: str, *, seconds: float) -> Clicks:
    """A user who did not exist clicks `first` and two items like it. Raises SaranError when no list follows in time."""
    user = f"visitor-{uuid.uuid4().hex[:8]}"
    before = api.recommendations(user)
    clicked = [first, *api.similar(first, 2)]
    api.click(user, clicked)
    acknowledged = time.monotonic()
    after = api.until(
        user,
        lambda answer: answer.get("source") == "personal" and answer.get("history_events") == len(clicked),
        seconds=seconds,
        what="use three clicks",
    )
    return Clicks(user, before, clicked, after, 1000 * (time.monotonic() - acknowledged))
