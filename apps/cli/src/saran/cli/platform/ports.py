"""Ports in use: who holds them, and what to do."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping

import psutil

from saran.core.errors import SaranError


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set it too: connections that are only waiting out their time do not keep a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Who listens on `port`, as `name (pid 123)`; `another program` where the system does not tell."""
    with contextlib.suppress(psutil.Error):  # macOS shows other processes' ports to root only
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is None:
                    break
                with contextlib.suppress(psutil.Error):
                    return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
                return f"pid {connection.pid}"
    return "another program"


def require_free(ports: Mapping[str, int]) -> None:
    """Raises SaranError naming the first port that is taken, its holder and the fix."""
    for name, port in ports.items():
        if not is_free(port):
            raise SaranError(
                f"port {port} ({name}) is used by {holder(port)}",
                fix=f"stop that program, move all ports with SARAN_PORT_OFFSET=1000, or only this one with "
                f"SARAN_PORTS__{name.upper()}",
            )
