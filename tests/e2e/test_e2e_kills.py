"""Killed pods lose nothing: events are sent all the while, and each that was acknowledged is in silver once."""

from __future__ import annotations

import time

import pytest

from tests.e2e.installation import Installation
from tests.e2e.traffic import Traffic, each_is_there_once, sending

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
    traffic = Traffic.of(served)
    with sending(served, traffic):
        time.sleep(AROUND_SECONDS)
        sent_before = len(traffic.acknowledged)
        served.kill(selector)
        served.wait("events after the kill", lambda: len(traffic.acknowledged) > sent_before)
        time.sleep(AROUND_SECONDS)
    assert sent_before, f"nothing was acknowledged before the kill: {traffic.refusals}"
    each_is_there_once(served, traffic)
