"""A client of server-sent events that keeps what it was sent."""

from __future__ import annotations

import contextlib
import json
import threading
from types import TracebackType
from typing import Any, Self

import httpx


class Listening:
    """Reads a stream in a thread while the context lasts; the answer's head is there when the context begins."""

    def __init__(self, url: str, **headers: str) -> None:
        self.comments: list[str] = []
        self.messages: list[dict[str, str]] = []
        self.ended = threading.Event()
        self._http = httpx.Client(timeout=30, trust_env=False)
        self._context = self._http.stream("GET", url, headers=headers)
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self.answer = self._context.__enter__()
        assert self.answer.status_code == 200, self.answer.read()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # The socket is shut under the thread that reads it, as by a client that goes away.
        with contextlib.suppress(OSError):  # it has ended
            self.answer.extensions["network_stream"].get_extra_info("socket").shutdown(2)
        self._thread.join(30)
        self._context.__exit__(None, None, None)
        self._http.close()

    def data(self) -> list[Any]:
        """What all messages said."""
        return [json.loads(message["data"]) for message in list(self.messages) if "data" in message]

    def _read(self) -> None:
        message: dict[str, str] = {}
        try:
            for line in self.answer.iter_lines():
                name, _, text = line.partition(":")
                if not line:
                    self.messages.append(message)
                    message = {}
                elif name:
                    message[name] = text.removeprefix(" ")
                else:
                    self.comments.append(text.strip())
        except httpx.TransportError:
            pass
        finally:
            self.ended.set()
