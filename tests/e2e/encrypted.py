"""A port of this machine that speaks plain to an encrypted Service.

A forwarded port is called 127.0.0.1, and no certificate of a Service says so. What lies here encrypts what comes to it,
and expects the certificate of the Service's own name.
"""

from __future__ import annotations

import selectors
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_CHUNK: Final = 65536
_SECONDS: Final = 30


@contextmanager
def plain(port: int, name: str, authority: str) -> Iterator[int]:
    """The plain port before the encrypted one. `authority` is the PEM that signs the certificate of `name`."""
    context = ssl.create_default_context(cadata=authority)

    class Bridge(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as forwarded,
                context.wrap_socket(forwarded, server_hostname=name) as encrypted,
            ):
                _copy(self.request, encrypted)

    with _Server(("127.0.0.1", 0), Bridge) as server:
        thread = threading.Thread(target=server.serve_forever, name="encrypted")
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join(_SECONDS)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


def _copy(one: socket.socket, other: ssl.SSLSocket) -> None:
    """Until either side ends."""
    with selectors.DefaultSelector() as ready:
        ready.register(one, selectors.EVENT_READ, other)
        ready.register(other, selectors.EVENT_READ, one)
        while events := ready.select(_SECONDS):
            for key, _ in events:
                source: socket.socket = key.fileobj  # type: ignore[assignment]
                while True:
                    data = source.recv(_CHUNK)
                    if not data:
                        return
                    key.data.sendall(data)
                    # What is decrypted already does not make the socket readable again.
                    if not (isinstance(source, ssl.SSLSocket) and source.pending()):
                        break
