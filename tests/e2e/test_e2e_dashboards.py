"""Panels of the dashboards have data in the Prometheus that scrapes the installation, named by SARAN_E2E_PROMETHEUS."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest
from charts.tests.metric_names import panel_queries, used_names

from tests.e2e.installation import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.fixture
def prometheus() -> Iterator[httpx.Client]:
    address = os.environ.get("SARAN_E2E_PROMETHEUS")
    if not address:
        pytest.skip("SARAN_E2E_PROMETHEUS names no Prometheus")
    with httpx.Client(base_url=address, timeout=30, trust_env=False) as web:
        yield web


def test_every_panel_whose_series_are_scraped_has_data(trained: Installation, prometheus: httpx.Client) -> None:
    """Series of exporters that are not there, or of a load that is over, are named by the skip."""
    names = set(prometheus.get("/api/v1/label/__name__/values").json()["data"])
    queries = list(panel_queries(trained.namespace))
    absent = {panel: sorted(missing) for panel, query in queries if (missing := used_names(query) - names)}

    def all_have_data() -> bool:
        # A part that was just started anew has some of its series only after its first records.
        empty = []
        for panel, query in queries:
            if used_names(query) <= names:
                answer = prometheus.get("/api/v1/query", params={"query": query}).json()
                assert answer["status"] == "success", f"{panel}: {answer}"
                empty += [] if answer["data"]["result"] else [f"{panel}: {query}"]
        assert not empty, f"panels show nothing: {empty}"
        return True

    trained.wait("data in every panel", all_have_data)
    if absent:
        pytest.skip(f"all others have data; not scraped here: {absent}")
