"""Killed pods lose nothing: events are sent all the while, and each that was acknowledged is in silver once."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.e2e.installation import Installation
from tests.e2e.traffic import Traffic, sending

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

AROUND_SECONDS = 5
"""Events before the kill, and after the successor is ready."""


def victims(installation: Installation) -> dict[str, str]:
    """Selector of each pod that is killed."""
    release, streams = installation.release, installation.ours("streams")
    return {
        "driver": f"{streams},spark-role=driver",
        "executor": f"{streams},spark-role=executor",
        "broker": f"strimzi.io/cluster={release},strimzi.io/broker-role=true",
        "api": installation.ours("api"),
        "worker": installation.ours("worker"),
        "postgresql": installation.ours("postgresql"),
        "store": f"v1.min.io/tenant={release}-store",
    }


@pytest.mark.parametrize("victim", ["driver", "executor", "broker", "api", "worker", "postgresql", "store"])
def test_nothing_is_lost_when_it_is_killed(served: Installation, victim: str) -> None:
    selector = victims(served)[victim]
    if not served.pods(selector):
        pytest.skip(f"this installation runs no {victim} of its own")
    traffic = Traffic(when=event_time(served), items=items(served))
    with sending(served, traffic):
        time.sleep(AROUND_SECONDS)
        sent_before = len(traffic.acknowledged)
        served.kill(selector)
        served.wait("events after the kill", lambda: len(traffic.acknowledged) > sent_before)
        time.sleep(AROUND_SECONDS)
    assert sent_before, f"nothing was acknowledged before the kill: {traffic.refusals}"
    wanted = set(traffic.acknowledged)
    served.wait(
        f"{len(wanted)} events of {traffic.source} in silver (refused meanwhile: {dict(traffic.refusals)})",
        lambda: wanted <= set(served.silver_ids(traffic.source)),
    )
    assert Counter(served.silver_ids(traffic.source)) == dict.fromkeys(wanted, 1)
    for user, history in traffic.histories().items():
        served.wait(f"the history of {user}", lambda user=user, history=history: shown(served, user) == history)  # type: ignore[misc]


def shown(installation: Installation, user: str) -> Counter[str]:
    """Items of a user's history, as the API gives it."""
    return Counter(one["item_id"] for one in installation.get(f"/users/{user}/history?limit=100")["events"])


def event_time(installation: Installation) -> str:
    newest = installation.get("/system/metrics")["as_of"]
    assert newest, "silver is empty: load something first"
    return str(newest)


def items(installation: Installation) -> list[str]:
    """Items that the catalogue has, once there is a model; else any."""
    with installation.web("api") as api:
        answer = api.get("/recommendations/user/nobody-that-is-known?limit=20")
    found = [one["item_id"] for one in answer.json()["items"]] if answer.status_code == 200 else []
    return found or [str(number) for number in range(1, 21)]
