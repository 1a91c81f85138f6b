"""How the image of MLflow's server starts: its database is made once, beside the platform's own."""

from __future__ import annotations

import runpy
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from saran.core.settings import CHECKOUT

pytestmark = pytest.mark.postgres

SERVE = runpy.run_path(str(CHECKOUT / "images" / "mlflow" / "serve.py"))


def test_the_database_is_made_by_whoever_comes_first(postgres_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(SERVE["make_database"], [postgres_url] * 4))
    SERVE["make_database"](postgres_url)
    uri = SERVE["store_uri"](postgres_url)
    with psycopg.connect(uri.replace("+psycopg", ""), connect_timeout=5) as connection:
        found = connection.execute("SELECT current_database(), current_user").fetchone()
    assert found == ("mlflow", "saran")


def test_only_driver_and_database_of_the_uri_are_others() -> None:
    given = "postgresql://user:p%40ss@host:5433/saran?sslmode=require"
    assert SERVE["store_uri"](given) == "postgresql+psycopg://user:p%40ss@host:5433/mlflow?sslmode=require"
