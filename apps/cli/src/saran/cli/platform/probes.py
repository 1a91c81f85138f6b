"""Checks of readiness. Each gives None when all is well, else the reason in words."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable

import psycopg

from saran.cli.platform.part import Probe

_SECONDS = 2


def tcp(port: int) -> Probe:
    """Something accepts connections on 127.0.0.1:`port`."""

    def probe(started: float) -> str | None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=_SECONDS).close()
        except OSError as error:
            return f"port {port}: {error.strerror or error}"
        return None

    return probe


def http_ok(port: int, path: str) -> Probe:
    """GET of `path` on 127.0.0.1:`port` answers 200."""

    def probe(started: float) -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"http://127.0.0.1:{port}{path}: {error}"
        finally:
            connection.close()
        return None if status == http.client.OK else f"http://127.0.0.1:{port}{path} answers {status}"

    return probe


def heartbeat(url: Callable[[], str], part: str) -> Probe:
    """`part` has written to analytics.heartbeats since its process started, and within the last 30 seconds."""

    def probe(started: float) -> str | None:
        try:
            with psycopg.connect(url(), connect_timeout=_SECONDS) as connection:
                row = connection.execute(
                    "SELECT extract(epoch FROM seen_at)::float8, extract(epoch FROM now() - seen_at)::float8 "
                    "FROM analytics.heartbeats WHERE part = %s",
                    (part,),
                ).fetchone()
        except (psycopg.Error, OSError) as error:
            return f"its heartbeat cannot be read: {error}"
        if row is None or row[0] < started:
            return "no heartbeat yet"
        return None if row[1] < 30 else f"its last heartbeat is {row[1]:.0f} s old"

    return probe
