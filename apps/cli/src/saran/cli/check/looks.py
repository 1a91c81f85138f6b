"""What `saran check` looks with: findings by section, a look that never raises, and a bounded wait."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from saran.cli.doctor import Finding
from saran.core.errors import SaranError

SECONDS: Final = 15.0
"""Longest wait for one answer. A person at a page would have left long before."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class LeftOut(Finding):
    """What was not looked at and is no fault, with the reason in `detail`: it was not started, or need not be there."""


def left_out(name: str, reason: str) -> LeftOut:
    """`name` is not looked at."""
    return LeftOut(name, True, reason)


def within(ask: Callable[[], _T], seconds: float = SECONDS) -> _T:
    """What `ask` gives. SaranError when that takes longer than `seconds`; `ask` then goes on behind the scenes.

    For what has no time-out of its own: a stream that says only that it is still there, a page that is drawn.
    """
    done: queue.SimpleQueue[tuple[_T | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((ask(), None))
        except Exception as error:  # noqa: BLE001 - raised again below, in the thread that waits
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        answer, error = done.get(timeout=seconds)
    except queue.Empty:
        raise SaranError(f"no answer within {seconds:.0f} s") from None
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]  # without an error it is what `ask` gave
