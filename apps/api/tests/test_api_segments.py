"""The segments of users, by the rows of gold.user_segments: counted, averaged, and beside the version before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from apps.api.tests.visitor_versions import publish_segmentation, write_user_segments

from saran.api import segment_figures
from saran.api.app import create_app
from saran.api.segment_figures import SegmentReader
from saran.core.settings import Settings
from saran.core.visitor_models import SEGMENT_INPUTS

ROWS: list[tuple[int, str, list[float]]] = [
    (2, "window shopper", [4, 4, 0, 0, 1.0, 0.0, 0.0]),
    (4, "loyal buyer", [10, 5, 3, 2, 0.5, 0.3, 0.4]),
    (2, "window shopper", [8, 6, 2, 0, 0.75, 0.25, 0.0]),
    (2, "window shopper", [3, 2, 1, 0, 0.5, 0.5, 0.0]),
]

Ask = Callable[[], tuple[int, Any]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def ask(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Status and JSON of GET /analytics/segments, which looks at the table each time."""
    monkeypatch.setattr(segment_figures, "_FRESH_SECONDS", 0.0)
    monkeypatch.setattr(segment_figures, "_ROWS", 3)  # so that rows come in more than one part
    app = create_app(settings)
    app.state.saran = SimpleNamespace(segments=SegmentReader(settings))

    async def get() -> tuple[int, Any]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            answer = await client.get("/analytics/segments")
            return answer.status_code, answer.json()

    return lambda: asyncio.run(get())


def test_segments_are_counted_averaged_and_compared(ask: Ask, settings: Settings) -> None:
    status, told = ask()
    assert (status, told["detail"]) == (503, "no segmentation was trained yet: run `saran train segments`")

    publish_segmentation(settings.models_path, "1", visitors=(1, 1))
    write_user_segments(settings, "1", ROWS[:2])
    status, first = ask()
    assert (status, first["before"], first["drift"], first["users"]) == (200, None, None, 2)
    assert [one["share_before"] for one in first["segments"]] == [None, None]

    publish_segmentation(settings.models_path, "2", visitors=(3, 1), matched_with="1")
    write_user_segments(settings, "2", ROWS)
    status, told = ask()
    assert status == 200
    assert {name: told[name] for name in ("as_of", "model_version", "users", "before")} == {
        "as_of": "2026-05-02T00:00:00Z",
        "model_version": "2",
        "users": 4,
        "before": "1",
    }
    assert told["drift"] == 0.25  # from a half and a half to three quarters and one
    assert [
        (one["cluster_id"], one["segment"], one["users"], one["share"], one["share_before"]) for one in told["segments"]
    ] == [(2, "window shopper", 3, 0.75, 0.5), (4, "loyal buyer", 1, 0.25, 0.5)]
    shoppers, buyers = (one["profile"] for one in told["segments"])
    assert list(shoppers) == list(SEGMENT_INPUTS)
    assert list(shoppers.values()) == pytest.approx([5, 4, 1, 0, 0.75, 0.25, 0])
    assert list(buyers.values()) == pytest.approx([10, 5, 3, 2, 0.5, 0.3, 0.4])


def test_a_segment_that_ended_counts_as_drift(ask: Ask, settings: Settings) -> None:
    publish_segmentation(settings.models_path, "1", visitors=(1, 3))
    publish_segmentation(settings.models_path, "2", matched_with="1")
    write_user_segments(settings, "2", ROWS[:1])
    _, told = ask()
    assert [(one["cluster_id"], one["share"], one["share_before"]) for one in told["segments"]] == [(2, 1.0, 0.25)]
    assert told["drift"] == 0.75


def test_a_table_without_rows_is_no_segmentation(ask: Ask, settings: Settings) -> None:
    write_user_segments(settings, "1", [])
    assert ask()[0] == 503
