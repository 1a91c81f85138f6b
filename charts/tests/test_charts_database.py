"""The database that the StatefulSet's first start makes, with a real server."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from charts.render import CHART
from tests.servers import Server, free_offset

from saran.cli.platform.part import Part
from saran.cli.platform.postgres import binaries, postgres_part
from saran.core.database import migrate
from saran.core.settings import Settings

pytestmark = pytest.mark.postgres

PASSWORD = "of-the-test"  # noqa: S105 - of a server that lives as long as the test


def _url(port: int) -> str:
    return f"postgresql://saran:{PASSWORD}@127.0.0.1:{port}/saran"


@pytest.fixture
def server() -> Iterator[tuple[Server, int]]:
    """A server over what `init_database.sh` made, run twice; and its port."""
    # A folder of its own: the server's user cannot pass through pytest's.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o777)
        settings = Settings(home=folder, port_offset=free_offset())
        user = postgres_part(settings).user
        (folder / "password").write_text(PASSWORD)
        variables = {"PGDATA": str(folder / "data"), "POSTGRES_PASSWORD_FILE": str(folder / "password")}
        path = f"{binaries()}:{os.environ['PATH']}"
        for _ in range(2):
            subprocess.run(
                ["sh", str(CHART / "files/init_database.sh")],
                check=True,
                capture_output=True,
                timeout=120,
                env={**variables, "PATH": path},
                user=user,
                extra_groups=None if user is None else [],
                cwd="/",
            )
        port = settings.port("postgres")
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
        command = (
            *(str(binaries() / "postgres"), "-D", variables["PGDATA"]),
            *(text for key, value in options.items() for text in ("-c", f"{key}={value}")),
        )

        def answers(started: float) -> str | None:
            try:
                psycopg.connect(_url(port), connect_timeout=2).close()
            except psycopg.OperationalError as error:  # It listens before it takes anybody.
                return str(error)
            return None

        part = Part(name="postgres", command=lambda: command, probe=answers, user=user)
        stopping = dataclasses.replace(part, stop_signal=postgres_part(settings).stop_signal)
        made = Server(stopping, folder / "log")
        try:
            made.start()
            yield made, port
        finally:
            made.stop()


def test_the_first_start_makes_a_database_that_asks_for_the_password(server: tuple[Server, int]) -> None:
    _, port = server
    url = _url(port)
    migrate(url)
    with psycopg.connect(url, connect_timeout=10) as connection:
        row = connection.execute("SHOW server_encoding").fetchone()
    assert row == ("UTF8",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(PASSWORD, "another"), connect_timeout=10)
