"""The installation that SARAN_E2E_RELEASE and SARAN_E2E_NAMESPACE name on the kubeconfig's cluster (`make e2e`).

SARAN_E2E_ADDRESS is where its ingress controller listens, as in k8s/kind-config.yaml when not given.
SARAN_E2E_PATIENCE says how many seconds a test waits, 600 when not given.

Tests kill pods and train a model: this is not for an installation that people use.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import httpx
import pytest
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from tests.e2e.installation import Installation
from tests.e2e.jobs import submit

FIRST_ITERATIONS = 10
"""Of the solver, where no champion tells how many."""


@pytest.fixture(scope="session")
def installation() -> Installation:
    release = os.environ.get("SARAN_E2E_RELEASE", "")
    namespace = os.environ.get("SARAN_E2E_NAMESPACE") or release
    if not release:
        pytest.skip("no release is named: `make e2e`, or SARAN_E2E_RELEASE and SARAN_E2E_NAMESPACE")
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl in PATH")
    try:
        found = Installation(release, namespace, os.environ.get("SARAN_E2E_ADDRESS", ""))
        pods = found.pods(f"app.kubernetes.io/instance={release}")
    except (ConfigException, HTTPError, OSError) as error:
        pytest.skip(f"no cluster is reachable by the kubeconfig: {error}")
    except ApiException as error:
        pytest.skip(f"pods of {namespace} cannot be listed: {error.reason}")
    if not pods:
        pytest.skip(f"no release {release} in namespace {namespace}")
    return found


@pytest.fixture(scope="session")
def served(installation: Installation) -> Installation:
    """The installation once its API answers through the ingress."""
    if "api" not in installation.hosts():
        pytest.skip("the installation has no route: tests reach its API by one (routes.enabled)")

    def answers() -> bool:
        with installation.web("api") as api:
            return api.get("/ready").status_code == 200

    installation.wait(f"the API to be ready at {installation.address}", answers)
    return installation


@pytest.fixture(scope="session")
def trained(served: Installation) -> Installation:
    """The installation with a model; the first one is trained here."""
    if served.champion() is None:
        submit(served, "train-recommender", iterations=FIRST_ITERATIONS)
    return served


@pytest.fixture(scope="session")
def administrator(served: Installation) -> Iterator[httpx.Client]:
    """A client of the API that may change items, users and experiments."""
    with served.administrator() as client:
        yield client
