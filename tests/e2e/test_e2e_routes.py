"""Each address that NOTES.txt prints answers, for programs and in a browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from saran.core.system_shapes import SystemMetrics
from saran.dashboard.navigation import entries
from tests.e2e.installation import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

PATHS = {
    "api": "/ready",
    "dashboard": "/_stcore/health",
    "store": "/minio/health/live",
    "minio": "/login",
    "spark": "/api/v1/version",
    "streams": "/api/v1/version",
}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.parametrize("name", sorted(PATHS))
def test_a_route_leads_to_its_part(served: Installation, name: str) -> None:
    if name not in served.hosts():
        pytest.skip(f"this installation has no route {name}")
    with served.web(name) as client:
        answer = client.get(PATHS[name])
    assert answer.status_code == 200, answer.text[:500]


def test_the_api_takes_no_wrong_key(served: Installation) -> None:
    if served.api_key is None:
        pytest.skip("the API of this installation asks for no key")
    with served.web("api") as client:
        wrong = client.get("/system/metrics", headers={"Authorization": "Bearer wrong"})
        assert wrong.status_code == 401
        assert client.get("/system/metrics").status_code == 200


def test_a_host_that_nobody_has_leads_nowhere(served: Installation) -> None:
    with served.web("api") as client:
        answer = client.get("/ready", headers={"Host": "nobody.invalid"})
    assert answer.status_code == 404


@pytest.mark.browser
def test_each_page_of_the_dashboard_is_drawn_in_a_browser(served: Installation, tmp_path: Path) -> None:
    """With the answers of the API here, through the ingress; a picture of each is kept."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on the path: install the package `chromium`")
    host = served.hosts()["dashboard"]
    address = urlsplit(served.address)
    rules = f"--host-resolver-rules=MAP {host} {address.hostname}"
    about = SystemMetrics.model_validate(served.get("/system/metrics")).about
    assert about is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", rules])
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            for entry in entries(about):
                page.goto(f"{address.scheme}://{host}:{address.port or 80}/{entry.path}", timeout=60_000)
                app = page.get_by_test_id("stApp")
                expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=60_000)
                expect(page.get_by_role("heading").first).to_be_visible(timeout=60_000)
                page.screenshot(path=tmp_path / f"{entry.path or 'overview'}.png")
                expect(page.get_by_test_id("stException"), entry.title).to_have_count(0)
                expect(page.get_by_test_id("stAlertContentError"), entry.title).to_have_count(0)
        finally:
            browser.close()


def test_helm_test_passes(served: Installation) -> None:
    if shutil.which("helm") is None:
        pytest.skip("no helm in PATH")
    done = subprocess.run(
        ["helm", "test", served.release, "-n", served.namespace, "--logs", "--timeout", "10m"],
        capture_output=True,
        text=True,
        timeout=660,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
