"""The API as `bench.api` runs it: the product's application, and beside it endpoints that return a constant.

POST /bench/read/memory makes it take histories from memory, POST /bench/read/postgres from PostgreSQL.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import psycopg
from fastapi import FastAPI, Response
from starlette.types import Scope

from saran.api.__main__ import server_of
from saran.api.app import create_app
from saran.api.batcher import Batcher
from saran.api.direct_route import add_direct_route
from saran.api.history_reader import HistoryReader, StoredHistory
from saran.api.state import State
from saran.core.recommender import History
from saran.core.settings import Settings, load_settings


class _Memory(HistoryReader):
    """Histories that were read before the measurement."""

    def __init__(self, histories: dict[str, StoredHistory]) -> None:
        super().__init__(str, timeout_ms=1)
        self._histories = histories

    async def read(self, user_ids: Sequence[str]) -> dict[str, StoredHistory]:
        return {user_id: self._histories[user_id] for user_id in user_ids if user_id in self._histories}


def _read_all(url: str) -> dict[str, StoredHistory]:
    with psycopg.connect(url, connect_timeout=5) as connection:
        rows = connection.execute("SELECT user_id, item_ids, actions, event_values FROM online.user_history")
        return {
            user: StoredHistory(
                History(items, np.array(actions, dtype=np.int64), np.array(values, dtype=np.float64)),
                np.zeros(0, dtype=np.int64),
            )
            for user, items, actions, values in rows
        }


def bench_app(settings: Settings, body: bytes) -> FastAPI:
    """The product's application with `/constant/direct` and `/constant/fastapi` added, which answer `body`."""
    app = create_app(settings)
    lifespan = app.router.lifespan_context
    batchers: dict[str, Batcher] = {}

    @asynccontextmanager
    async def with_memory(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app):
            state: State = app.state.saran
            memory = _Memory(_read_all(settings.postgres_url))
            batchers.update(postgres=state.batcher, memory=Batcher(state.models, memory, state.metrics))
            task = asyncio.create_task(batchers["memory"].run())
            yield
            task.cancel()

    async def constant() -> Response:
        return Response(body, media_type="application/json")

    async def constant_direct(_scope: Scope) -> bytes:
        return body

    async def read(source: str) -> dict[str, str]:
        app.state.saran.batcher = batchers[source]
        return {"source": source}

    app.router.lifespan_context = with_memory
    app.add_api_route("/bench/read/{source}", read, methods=["POST"])
    app.add_api_route("/constant/fastapi", constant)
    add_direct_route(app, "/constant/direct", constant, constant_direct)
    return app


def main() -> None:
    """Serve like `python -m saran.api`."""
    settings = load_settings()
    server_of(bench_app(settings, b" " * int(os.environ["BENCH_BODY_BYTES"])), settings).run()


if __name__ == "__main__":
    main()
