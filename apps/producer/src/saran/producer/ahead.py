"""Work ahead in another thread: reading and encoding go on while the sender sends (Arrow code releases the GIL)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

T = TypeVar("T")

_DEPTH: Final = 2
_WAIT_SECONDS: Final = 0.1


class _End:
    """The last thing a thread says: its source ended, by itself or with an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error


@contextmanager
def ahead(source: Iterator[T]) -> Iterator[Iterator[T]]:
    """Iterate over `source` while it runs in a thread, a few elements ahead; leaving the context stops the thread.

    An error of the source is raised where its next element would have come.
    """
    ready: queue.Queue[T | _End] = queue.Queue(_DEPTH)
    closed = threading.Event()

    def put(element: T | _End) -> None:
        while not closed.is_set():
            try:
                ready.put(element, timeout=_WAIT_SECONDS)
            except queue.Full:
                continue
            return

    def run() -> None:
        try:
            for element in source:
                put(element)
                if closed.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - raised again in the thread that iterates
            put(_End(error))
        else:
            put(_End())

    def elements() -> Iterator[T]:
        while not isinstance(element := ready.get(), _End):
            yield element
        if element.error is not None:
            raise element.error

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        yield elements()
    finally:
        closed.set()
        thread.join()
