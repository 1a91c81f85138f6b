"""Events that go on being sent to the API, from a thread, until each is acknowledged."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx

from tests.e2e.installation import Installation

_BATCH: Final = 20
_PAUSE_SECONDS: Final = 0.2
_ACCEPTED: Final = 202


@dataclass
class Traffic:
    """What one run has sent. `source` marks its events in the tables."""

    when: str
    """Time of the events: not later than the newest, so that analytics of a replayed file stay as they are."""

    items: list[str]
    source: str = field(default_factory=lambda: f"e2e-{uuid.uuid4().hex[:12]}")
    acknowledged: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Event id → user and item."""

    refusals: Counter[str] = field(default_factory=Counter)
    """What came back instead of an acknowledgement, and how often."""

    @classmethod
    def of(cls, installation: Installation) -> Traffic:
        """Views of items that the catalogue has, once there is a model; else of any."""
        newest = installation.get("/system/metrics")["as_of"]
        assert newest, "silver is empty: load something first"
        with installation.web("api") as api:
            answer = api.get("/recommendations/user/nobody-that-is-known?limit=20")
        found = [one["item_id"] for one in answer.json()["items"]] if answer.status_code == 200 else []
        return cls(when=str(newest), items=found or [str(number) for number in range(1, 21)])

    def batch(self, first: int) -> list[dict[str, str]]:
        """Events from number `first`; a user has as many as a batch, so that a history shows all."""
        return [
            {
                "event_id": f"{self.source}-{number}",
                "user_id": f"{self.source}-user-{first // _BATCH}",
                "item_id": self.items[number % len(self.items)],
                "action": "view",
                "event_time": self.when,
                "source": self.source,
            }
            for number in range(first, first + _BATCH)
        ]

    def histories(self) -> dict[str, Counter[str]]:
        """What each user's history must hold."""
        found: dict[str, Counter[str]] = {}
        for user, item in self.acknowledged.values():
            found.setdefault(user, Counter())[item] += 1
        return found


@contextmanager
def sending(installation: Installation, traffic: Traffic) -> Iterator[None]:
    """Send while the block runs. At its end the batch that is on its way is sent until it is acknowledged."""
    done = threading.Event()
    given_up = threading.Event()
    thread = threading.Thread(target=_send, args=(installation, traffic, done, given_up), name="traffic")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(300)
        given_up.set()
        thread.join(60)
    assert traffic.acknowledged, f"no event was acknowledged: {traffic.refusals}"


def each_is_there_once(installation: Installation, traffic: Traffic) -> None:
    """Each acknowledged event is in silver once, and in its user's history."""
    wanted = set(traffic.acknowledged)
    installation.wait(
        f"{len(wanted)} events of {traffic.source} in silver (refused meanwhile: {dict(traffic.refusals)})",
        lambda: wanted <= set(installation.silver_ids(traffic.source)),
    )
    assert Counter(installation.silver_ids(traffic.source)) == dict.fromkeys(wanted, 1)

    def shown(user: str) -> Counter[str]:
        return Counter(one["item_id"] for one in installation.get(f"/users/{user}/history?limit=100")["events"])

    for user, history in traffic.histories().items():
        installation.wait(f"the history of {user}", lambda user=user, history=history: shown(user) == history)  # type: ignore[misc]


def _send(installation: Installation, traffic: Traffic, done: threading.Event, given_up: threading.Event) -> None:
    with installation.web("api") as api:
        for first in itertools.count(step=_BATCH):
            if done.is_set():
                return
            events = traffic.batch(first)
            while not given_up.is_set():
                if _acknowledged(api, events, traffic.refusals):
                    traffic.acknowledged |= {one["event_id"]: (one["user_id"], one["item_id"]) for one in events}
                    break
                time.sleep(1)
            time.sleep(_PAUSE_SECONDS)


def _acknowledged(api: httpx.Client, events: list[dict[str, str]], refusals: Counter[str]) -> bool:
    try:
        answer = api.post("/stream/events", json=events)
    except httpx.HTTPError as error:
        refusals[type(error).__name__] += 1
        return False
    if answer.status_code == _ACCEPTED:
        assert answer.json()["event_ids"] == [one["event_id"] for one in events]
        return True
    refusals[str(answer.status_code)] += 1
    return False
