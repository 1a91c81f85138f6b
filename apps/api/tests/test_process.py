"""The process that serves."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from tests.servers import free_offset

from saran.api.__main__ import server_of
from saran.core.settings import Settings


@pytest.fixture
def seen() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("seen")
def test_the_collector_does_not_look_again_at_what_was_there_at_the_start() -> None:
    app = FastAPI()
    server = server_of(app, Settings(port_offset=free_offset()))

    async def start_and_end() -> tuple[int, int]:
        before = len(gc.get_objects())
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup()
        left = len(gc.get_objects())
        app.state.saran = type("Ended", (), {"end_streams": lambda _: None})()
        await server.shutdown()
        return before, left

    before, left = asyncio.run(start_and_end())
    assert gc.get_freeze_count() > 0.9 * before
    assert left < 0.01 * before
