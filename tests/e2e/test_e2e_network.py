"""Edges between pods: the ones that the platform needs are open, the others closed."""

from __future__ import annotations

import pytest

from tests.e2e.installation import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5).close()"

OPEN = [
    ("dashboard", "{release}-api", 80),
    ("api", "{release}-postgresql", 5432),
    ("worker", "{release}-postgresql", 5432),
]
CLOSED = [
    ("dashboard", "{release}-postgresql", 5432),
    ("dashboard", "{release}-kafka-bootstrap", 9093),
    ("dashboard", "minio", 80),
    ("worker", "minio", 80),
    ("worker", "{release}-api", 80),
    ("api", "{release}-dashboard", 80),
    ("dashboard", "kubernetes.default.svc", 443),
]


def connects(installation: Installation, part: str, host: str, port: int) -> tuple[bool, str]:
    """Whether a pod of the part gets a connection; and what Python said if not."""
    name = host.format(release=installation.release)
    pod = installation.ready_pod(installation.ours(part))
    done = installation.run(pod, "python", "-c", CONNECT, name, str(port))
    return done.returncode == 0, done.stderr.strip()[-300:]


@pytest.mark.parametrize(("part", "host", "port"), OPEN)
def test_an_edge_that_is_needed_is_open(served: Installation, part: str, host: str, port: int) -> None:
    if "postgresql" in host and not served.pods(served.ours("postgresql")):
        pytest.skip("this installation runs no PostgreSQL of its own")
    reached, said = connects(served, part, host, port)
    assert reached, f"{part} cannot reach {host}:{port}: {said}"


@pytest.mark.parametrize(("part", "host", "port"), CLOSED)
def test_an_edge_that_nobody_needs_is_closed(served: Installation, part: str, host: str, port: int) -> None:
    reached, said = connects(served, part, host, port)
    if "gaierror" in said:
        pytest.skip(f"this installation has no {host}")
    assert not reached, f"{part} reaches {host}:{port}: are NetworkPolicies enforced (networkPolicies.enabled)?"
    # Some networks drop what a policy forbids, some refuse it; anything else was no answer of the network.
    assert "timed out" in said or "refused" in said, said
