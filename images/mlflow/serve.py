"""Starts MLflow's server on the platform's PostgreSQL, in a database of its own that is made when it is not there.

SARAN_DATABASE_URL    postgresql://user:password@host:port/database; the user may make a database, or `mlflow` is there
MLFLOW_…              as MLflow has them: MLFLOW_ARTIFACTS_DESTINATION, MLFLOW_SERVER_ALLOWED_HOSTS
"""

from __future__ import annotations

import contextlib
import os
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

DATABASE: Final = "mlflow"
_SERVER: Final = ("mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1")  # noqa: S104


def store_uri(database_url: str) -> str:
    """URI of MLflow's database, on the server of `database_url`, as SQLAlchemy wants it."""
    return urlunsplit(urlsplit(database_url)._replace(scheme="postgresql+psycopg", path=f"/{DATABASE}"))


def make_database(database_url: str) -> None:
    """Make MLflow's database where it is not there."""
    with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        if found is None:
            # Another pod may have made it just now.
            with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def main() -> None:
    """Become the server."""
    url = os.environ["SARAN_DATABASE_URL"]
    make_database(url)
    os.environ["MLFLOW_BACKEND_STORE_URI"] = store_uri(url)
    os.execvp(_SERVER[0], _SERVER)  # noqa: S606 - it becomes the server


if __name__ == "__main__":
    main()
