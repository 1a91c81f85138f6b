"""`make bench-pages`: how long each page of the dashboard takes to be there, in headless Chromium.

The laptop platform, whole, in a home of its own: a synthetic stand-in of Retail Rocket's events goes through
`saran demo`, and analytics catch up. Then each page is opened several times, each time by a new browser without a
cache: `heading` is until the page's heading can be read, `whole` until its script has ended. Live parts go on
meanwhile, as they do for a reader.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from apps.dashboard.tests.in_browser import PATIENCE_MS, chromium
from playwright.sync_api import Browser
from rich.console import Console
from rich.table import Table

from saran.cli import operate
from saran.cli.demo import Demo, demo_settings
from saran.client import ApiError, Client
from saran.core.settings import Settings
from saran.dashboard.navigation import Entry, entries

AIM_SECONDS: Final = 2.0
DATASET: Final = "retailrocket"
ROWS: Final = 2_700_000
_CATCH_UP_SECONDS: Final = 3600.0
_VIEWPORT: Final = {"width": 1280, "height": 900}


class Visit(NamedTuple):
    """Seconds from the address to the heading and to the whole page."""

    heading: float
    whole: float


def visit(browser: Browser, address: str) -> Visit:
    """Open one page in a browser that has seen nothing yet."""
    with browser.new_context(viewport=_VIEWPORT) as context:  # type: ignore[arg-type]
        page = context.new_page()
        began = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.wait_for_selector("h1", timeout=PATIENCE_MS)
        heading = time.perf_counter() - began
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=PATIENCE_MS)
        return Visit(heading, time.perf_counter() - began)


def until_analysed(client: Client, *, seconds: float) -> None:
    """Returns when analytics are of the newest event. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if client.user_behavior().as_of == client.metrics().as_of:
                return
        except ApiError as error:
            if error.status != _NO_FIGURES_YET:
                raise
        time.sleep(1.0)
    raise TimeoutError(f"analytics did not catch up with silver in {seconds:.0f} s: see the log of the streams")


_NO_FIGURES_YET: Final = 503


def measure(settings: Settings, visits: int) -> list[dict[str, Any]]:
    """Every page of the data set's navigation, in its order."""
    address = f"http://127.0.0.1:{settings.port('dashboard')}"
    with Client(settings.api_url) as client:
        until_analysed(client, seconds=_CATCH_UP_SECONDS)
        logging.disable(logging.WARNING)  # Streamlit warns of a session state that is asked for without a browser
        shown = entries(client.metrics().about)
        logging.disable(logging.NOTSET)
    with chromium() as browser:
        visit(browser, address)  # the process's own first time: its imports and caches are not the page's
        return [_told(one, [visit(browser, f"{address}/{one.path}") for _ in range(visits)]) for one in shown]


def _told(page: Entry, seen: Sequence[Visit]) -> dict[str, Any]:
    headings, wholes = [one.heading for one in seen], [one.whole for one in seen]
    return {
        "page": page.title,
        "heading_p50_seconds": statistics.median(headings),
        "heading_worst_seconds": max(headings),
        "whole_p50_seconds": statistics.median(wholes),
        "whole_worst_seconds": max(wholes),
        "within_aim": statistics.median(headings) < AIM_SECONDS,
    }


def run(home: Path, *, rows: int, visits: int) -> list[dict[str, Any]]:
    """Make the platform, measure, and stop it."""
    os.environ["SARAN_HOME"] = str(home)
    settings = demo_settings(DATASET, None)
    operate.interrupt_at_sigterm()
    try:
        Demo(settings, DATASET, None, rows, time.time()).run()
        return measure(settings, visits)
    finally:
        operate.stop(settings)


def table(found: Sequence[dict[str, Any]]) -> Table:
    """For a person, seconds."""
    drawn = Table("page", "heading, p50", "heading, worst", "whole, p50", "whole, worst", f"below {AIM_SECONDS:g} s")
    for one in found:
        seconds = [f"{value:.2f}" for name, value in one.items() if name.endswith("_seconds")]
        drawn.add_row(one["page"], *seconds, "yes" if one["within_aim"] else "no")
    return drawn


def main() -> None:
    """Run, print, and write JSON when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help="events of the stand-in")
    parser.add_argument("--visits", type=int, default=5, help="of each page")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saran-pages-") as home:
        found = run(Path(home), rows=given.rows, visits=given.visits)
    Console().print(table(found))
    if given.json is not None:
        given.json.write_text(json.dumps({"rows": given.rows, "pages": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
