"""When the certificates end that Kafka's brokers and the object store show to their clients."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from saran.core.authorities import certificates
from saran.core.errors import SaranError
from saran.core.settings import Settings

_log = logging.getLogger("saran.api.certificates")

_FRESH_SECONDS: Final = 600.0
_TIMEOUT_SECONDS: Final = 3.0
_HTTPS_PORT: Final = 443


class Certificates:
    """Asks by a handshake, in a thread, at most every ten minutes. A peer that speaks no TLS is not asked."""

    def __init__(self, settings: Settings) -> None:
        self._peers: dict[str, tuple[str, int, Path | None]] = {}
        if settings.kafka.security_protocol.endswith("SSL"):
            host, _, port = settings.bootstrap.split(",", 1)[0].rpartition(":")
            self._peers["kafka"] = (host, int(port), settings.kafka.ca_file)
        store = urlsplit(settings.s3.endpoint)
        if store.scheme == "https" and store.hostname:
            self._peers["store"] = (store.hostname, store.port or _HTTPS_PORT, settings.s3.ca_file)
        self._one = asyncio.Lock()
        self._asked = -_FRESH_SECONDS
        self._ends: dict[str, float] = {}

    async def ends(self) -> dict[str, float]:
        """Seconds since 1970 by peer; without those whose certificate could not be read."""
        async with self._one:
            if self._peers and time.monotonic() - self._asked >= _FRESH_SECONDS:
                self._ends = await asyncio.to_thread(self._ask)
                self._asked = time.monotonic()
            return self._ends

    def _ask(self) -> dict[str, float]:
        ends = {}
        for peer, (host, port, authority) in self._peers.items():
            try:
                ends[peer] = _end(host, port, authority)
            except (OSError, SaranError) as error:
                _log.warning("the certificate of %s at %s:%d cannot be read: %s", peer, host, port, error)
        return ends


def _end(host: str, port: int, authority: Path | None) -> float:
    context = ssl.create_default_context(cadata=None if authority is None else certificates(authority))
    with (
        socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        shown = secure.getpeercert() or {}
        return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))
