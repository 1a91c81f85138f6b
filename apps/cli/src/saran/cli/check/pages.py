"""The dashboard's pages, as `saran check` looks at them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from saran.cli.check.looks import left_out
from saran.cli.doctor import Finding
from saran.cli.platform import probes
from saran.core.settings import Settings
from saran.core.system_shapes import DatasetFacts

_LOG: Final = "see `saran logs dashboard`"
_SECONDS: Final = 30.0
"""Longest time that a page may take to be drawn."""

_DRAW: Final = """
from saran.dashboard.connection import facts
from saran.dashboard.navigation import entries

next(entry for entry in entries(facts()) if entry.path == {path!r}).draw()
"""


def pages(settings: Settings, about: DatasetFacts | None) -> Iterator[Finding]:
    """The dashboard's health, then each page of its navigation for a data set, None where the API does not tell."""
    port = settings.port("dashboard")
    address = f"http://127.0.0.1:{port}"
    reason = probes.http_ok(port, "/_stcore/health")(0)
    yield Finding("dashboard", reason is None, reason or address, _LOG)
    if reason is not None:
        return
    if about is None:
        yield left_out("pages", "they show what the API tells, and it does not tell of the data set")
        return
    logging.disable(logging.WARNING)  # Streamlit warns of each session state that is asked for without a browser
    try:
        yield from _each(address, port, about)
    finally:
        logging.disable(logging.NOTSET)


def _each(address: str, port: int, about: DatasetFacts) -> Iterator[Finding]:
    # Streamlit takes a second to import: only who has a dashboard waits for it.
    from saran.dashboard.navigation import entries

    for entry in entries(about):
        reason = probes.http_ok(port, f"/{entry.path}")(0) or _drawn(entry.path)
        yield Finding(entry.title, reason is None, reason or f"{address}/{entry.path}", _LOG)


def _drawn(path: str) -> str | None:
    """What is wrong with a page when it is drawn here with the running API's answers; None when it is well.

    The dashboard sends the same HTML for every address, and draws a page when a browser opens its socket: an answer
    over HTTP alone says nothing of the page.
    """
    from streamlit.testing.v1 import AppTest

    try:
        page = AppTest.from_string(_DRAW.format(path=path), default_timeout=_SECONDS).run()
    except RuntimeError as error:
        return str(error)
    wrong = [one.message for one in page.exception] + [one.value for one in page.error]
    return wrong[0] if wrong else None
