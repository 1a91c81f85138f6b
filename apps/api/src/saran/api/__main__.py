"""`python -m saran.api`: one process of the API."""

from __future__ import annotations

import os

# One thread for BLAS: the matrices of a batch are small, and a second thread would take the load's core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import gc
import socket
import sys
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from saran.api.app import create_app
from saran.core.authorities import end_when_replaced
from saran.core.log_lines import log_to_stderr
from saran.core.settings import Settings, load_settings


class _Server(uvicorn.Server):
    """Ends streams when it is told to stop; it would wait for them as for any answer.

    What is there when it has started, modules, routes and the first model, stays: the garbage collector no longer looks
    at it. A full collection took 0.1 seconds of the event loop for these 140,000 objects, and frees none of them.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Do what uvicorn does, then freeze what lives as long as the process."""
        await super().startup(sockets)
        gc.collect()  # garbage that is frozen would stay as well
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, then do what uvicorn does."""
        self._app.state.saran.end_streams()
        await super().shutdown(sockets)


def server_of(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """What serves an application of `create_app`; `run` it."""
    config = uvicorn.Config(
        app,
        host=settings.listen,
        port=settings.port("api"),
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=15,
        backlog=1024,
    )
    return _Server(config, app)


def main() -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first."""
    settings = load_settings()
    log_to_stderr(settings)
    end_when_replaced(settings)
    server = server_of(create_app(settings), settings)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)


if __name__ == "__main__":
    main()
