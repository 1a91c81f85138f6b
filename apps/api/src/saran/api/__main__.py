"""`python -m saran.api`: one process of the API."""

from __future__ import annotations

import os

# One thread for BLAS: the matrices of a batch are small, and a second thread would take the load's core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import logging

import uvicorn

from saran.api.app import create_app
from saran.core.authorities import end_when_replaced
from saran.core.settings import load_settings


def main() -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = load_settings()
    end_when_replaced(settings)
    uvicorn.run(
        create_app(settings),
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


if __name__ == "__main__":
    main()
