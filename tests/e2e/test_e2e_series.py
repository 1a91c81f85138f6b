"""Panels of the dashboards have data in the Prometheus that scrapes the installation, named by SARAN_E2E_PROMETHEUS.

It comes last by its name: streams were opened then, and containers have been started again, which panels tell.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest
from charts.tests.metric_names import panel_queries, used_names

from tests.e2e.installation import Installation
from tests.e2e.jobs import load_again
from tests.e2e.traffic import Traffic

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.fixture
def prometheus() -> Iterator[httpx.Client]:
    address = os.environ.get("SARAN_E2E_PROMETHEUS")
    if not address:
        pytest.skip("SARAN_E2E_PROMETHEUS names no Prometheus")
    with httpx.Client(base_url=address, timeout=30, trust_env=False) as web:
        yield web


@pytest.fixture
def loading(trained: Installation, prometheus: httpx.Client) -> Iterator[None]:
    """A load runs, a user's list is streamed and changes, and Prometheus has seen the load twice: rates are known."""
    traffic = Traffic.of(trained)
    user = f"{traffic.source}-watcher"
    event = {"user_id": user, "item_id": traffic.items[0], "action": "view", "source": traffic.source}
    ours = f'count_over_time(up{{namespace="{trained.namespace}",pod=~".*-load-again-.*"}}[5m]) > 2'

    def seen() -> bool:
        return bool(prometheus.get("/api/v1/query", params={"query": ours}).json()["data"]["result"])

    with (
        load_again(trained, rate=100),
        trained.web("api") as api,
        api.stream("GET", f"/stream/recommendations/{user}"),
    ):
        assert api.post("/stream/events", json=[event | {"event_time": traffic.when}]).status_code == 202
        trained.wait("Prometheus to see the load", seen)
        yield


@pytest.mark.usefixtures("loading")
def test_every_panel_whose_series_are_scraped_has_data(trained: Installation, prometheus: httpx.Client) -> None:
    """Series of exporters that are not there are named by the skip."""
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
