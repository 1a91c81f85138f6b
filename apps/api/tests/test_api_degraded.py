"""Lists while PostgreSQL is away, hangs, and comes back; seen through a proxy that the test can cut and freeze."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from saran.api import history_table
from saran.api.records import parse
from saran.core.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


class Proxy:
    """Forwards TCP to the database. `cut` ends what is open and refuses what comes; `freeze` lets nothing pass."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flowing = threading.Event()
        self._flowing.set()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def restore(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._flowing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(settings: Settings) -> Iterator[Proxy]:
    url = urlsplit(settings.postgres_url)
    between = Proxy(url.hostname or "", url.port or 5432)
    yield between
    between.thaw()
    between.cut()


@pytest.fixture
def known_user(settings: Settings) -> None:
    """User `u` has viewed i9."""
    event = {"event_id": "e", "event_time": "2020-01-01T00:00:00Z", "user_id": "u", "item_id": "i9", "source": "test"}
    parsed = parse([json.dumps({**event, "action": "view"}).encode()], [time.time_ns() // 1_000_000])
    with history_table.connect(settings.postgres_url) as connection, connection.transaction():
        history_table.write_histories(connection, ["u"], parsed.events, known=np.array([False]))


def test_lists_go_on_while_postgres_is_away_and_after(
    api: Any, shop: Any, settings: Settings, proxy: Proxy, known_user: None, until: Callable[..., None]
) -> None:
    shop.publish("v1")
    url = urlsplit(settings.postgres_url)
    behind = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{proxy.port}").geturl()
    api.start(SARAN_DATABASE_URL=behind, SARAN_SERVING__DATABASE_TIMEOUT_MS="400")

    def personal() -> bool:
        answer = api.get("/recommendations/user/u")
        assert answer["degraded"] == (answer["source"] == "popular")
        return bool(answer["source"] == "personal")

    def degraded_at_once() -> None:
        seconds = []
        for _ in range(10):
            started = time.monotonic()
            assert not personal()
            seconds.append(time.monotonic() - started)
        # At most the first of them waited for the time-out.
        assert sorted(seconds)[-2] < 0.3

    until(personal)
    proxy.cut()
    degraded_at_once()
    assert [item["item_id"] for item in api.get("/recommendations/user/u?limit=2")["items"]] == ["i7", "i8"]
    api.get("/users/u/history", status=503)
    health = api.get("/health")
    assert (health["status"], health["postgres"]) == ("degraded", "away")
    assert api.get("/system/metrics")["tables"] == {}
    proxy.restore()
    until(personal)

    proxy.freeze()
    degraded_at_once()
    proxy.thaw()
    until(personal)
