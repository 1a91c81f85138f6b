"""Each address that NOTES.txt prints answers, for programs and in a browser."""

from __future__ import annotations

import shutil
import subprocess
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

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
def test_the_dashboard_shows_the_data_set_in_a_browser(served: Installation) -> None:
    if CHROMIUM is None:
        pytest.skip("no Chromium on the path: install the package `chromium`")
    host = served.hosts()["dashboard"]
    address = urlsplit(served.address)
    rules = f"--host-resolver-rules=MAP {host} {address.hostname}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", rules])
        try:
            page = browser.new_page()
            page.goto(f"{address.scheme}://{host}:{address.port or 80}", timeout=60_000)
            expect(page.get_by_test_id("stApp")).to_be_visible(timeout=60_000)
            expect(page.get_by_role("heading").first).to_be_visible(timeout=60_000)
            expect(page.get_by_test_id("stException")).to_have_count(0)
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
