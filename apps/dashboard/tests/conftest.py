"""An API on loopback for the pages under test, and the settings that lead to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from apps.dashboard.tests.api_double import World, application, serving, two_tastes
from apps.dashboard.tests.in_browser import chromium
from playwright.sync_api import Browser

from saran.dashboard import connection
from saran.dashboard.views import sql


@pytest.fixture
def world() -> World:
    return two_tastes()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, of one module: Playwright's loop must not outlive it."""
    with chromium() as started:
        yield started


@pytest.fixture
def api_url(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The address of a running double, which the dashboard's settings name."""
    with serving(application(world)) as url:
        monkeypatch.setenv("SARAN_API_URL", url)
        monkeypatch.setenv("SARAN_HOME", str(tmp_path / "home"))
        _forget()
        yield url
        _forget()


@pytest.fixture
def no_api(monkeypatch: pytest.MonkeyPatch, unused_port: int, tmp_path: Path) -> Iterator[str]:
    """An address where nothing listens."""
    url = f"http://127.0.0.1:{unused_port}"
    monkeypatch.setenv("SARAN_API_URL", url)
    monkeypatch.setenv("SARAN_HOME", str(tmp_path / "home"))
    _forget()
    yield url
    _forget()


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _forget() -> None:
    connection.installation.clear()
    connection.facts.clear()
    connection.about.clear()
    connection.categories.clear()
    connection.api.clear()
    connection.settings.clear()
    sql._tables.clear()
