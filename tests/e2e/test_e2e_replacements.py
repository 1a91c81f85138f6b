"""What operators of a cluster do while it is used: a node drained, the authority of Kafka replaced. Nothing is lost."""

from __future__ import annotations

import time

import pytest

from tests.e2e.installation import Installation, Pod, is_ready
from tests.e2e.traffic import Traffic, each_is_there_once, sending

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

AROUND_SECONDS = 5
"""Events before and after the change."""

STREAMS = ("api", "worker", "streams")
"""Parts that hold connections to Kafka."""


def test_nothing_is_lost_when_a_node_is_drained(served: Installation) -> None:
    """The one with the stream driver: its pods go elsewhere, or wait where their disk is on that node."""
    nodes = served.nodes()
    if len(nodes) < 2:
        pytest.skip(f"pods have only {', '.join(nodes)} to go to: two nodes are needed")
    (driver,) = served.pods(f"{served.ours('streams')},spark-role=driver")
    node = driver["spec"]["nodeName"]
    traffic = Traffic.of(served)
    with sending(served, traffic):
        time.sleep(AROUND_SECONDS)
        with served.drained(node):
            assert {one["metadata"]["name"] for one in on(served, node)} == set()
            time.sleep(AROUND_SECONDS)
        sent = len(traffic.acknowledged)
        served.wait("events after the node came back", lambda: len(traffic.acknowledged) > sent)
        served.wait("the stream's driver", lambda: any(map(is_ready, served.pods(served.ours("streams")))))
        time.sleep(AROUND_SECONDS)
    each_is_there_once(served, traffic)


def on(installation: Installation, node: str) -> list[Pod]:
    """Pods of the installation that run on a node."""
    found = installation.pods(f"app.kubernetes.io/instance={installation.release}")
    return [one for one in found if one["spec"].get("nodeName") == node and one["status"]["phase"] == "Running"]


def test_nothing_is_lost_while_the_authority_of_kafka_is_replaced(served: Installation) -> None:
    """Strimzi trusts the new one, signs the brokers with it, and forgets the old one; our parts start anew with it."""
    volumes = {one["name"] for one in served.pods(served.ours("api"))[0]["spec"]["volumes"]}
    if "kafka-authority" not in volumes:
        pytest.skip("connections to Kafka are not encrypted here (kafka.tls)")
    before = served.authority()
    began = {part: starts(served, part) for part in STREAMS}
    traffic = Traffic.of(served)
    with sending(served, traffic):
        time.sleep(AROUND_SECONDS)
        served.replace_authority()
        served.wait("a new authority", lambda: served.authority()["ca.crt"] != before["ca.crt"])
        served.wait("the old authority to be forgotten", lambda: list(served.authority()) == ["ca.crt"])
        for part in STREAMS:
            served.wait(f"{part} to be started anew", lambda part=part: starts(served, part) != began[part])  # type: ignore[misc]
        sent = len(traffic.acknowledged)
        served.wait("events under the new authority", lambda: len(traffic.acknowledged) > sent)
        time.sleep(AROUND_SECONDS)
    each_is_there_once(served, traffic)


def starts(installation: Installation, part: str) -> set[tuple[str, int]]:
    """Pods of a part, and how often the containers of each were started again."""
    return {
        (one["metadata"]["uid"], sum(each["restartCount"] for each in one["status"].get("containerStatuses") or []))
        for one in installation.pods(installation.ours(part))
    }
