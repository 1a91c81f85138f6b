"""How long each stage of a job took, and a word to whoever waits when one begins."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)


class Stages:
    """`with stages("train"): …` adds to `seconds["train"]`; `began` is called with each stage's name."""

    def __init__(self, began: Callable[[str], None] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._began = began

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        if self._began is not None:
            self._began(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent
            _log.info("%s: %.2f s", name, spent)
