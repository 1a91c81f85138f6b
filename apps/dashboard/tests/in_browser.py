"""The dashboard as a process, and Chromium looking at it. Every wait for a page lasts PATIENCE_MS at most."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window; skips the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on the path: install the package `chromium`")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


class Dashboard:
    """`python -m saran.dashboard` over an API, from when it answers until the block ends."""

    def __init__(self, api_url: str, port: int, folder: Path) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._log = (folder / "dashboard.log").open("wb")
        environment = os.environ | {
            "SARAN_API_URL": api_url, "SARAN_PORTS__DASHBOARD": str(port), "SARAN_PORT_OFFSET": "0",
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-m", "saran.dashboard"], env=environment, stdout=self._log, stderr=self._log, cwd=folder
        )

    def __enter__(self) -> str:
        deadline = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"{self.address}/_stcore/health", timeout=1.0, trust_env=False).is_success:
                    return self.address
            except httpx.TransportError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    pytest.fail(f"the dashboard did not start: {Path(self._log.name).read_text()}")
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        self._log.close()


def drawn(page: Page) -> None:
    """Wait until the page's script has ended: until then it holds parts of what it was before."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def foreign(url: str) -> bool:
    """Whether a request leaves this machine."""
    parts = urlsplit(url)
    return parts.scheme in {"http", "https"} and parts.hostname != "127.0.0.1"
