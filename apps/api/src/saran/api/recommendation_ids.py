"""Ids of lists: UUIDs of version 7 (RFC 9562), which sort by when they were made."""

from __future__ import annotations

import secrets
import time
from typing import Final

RECOMMENDATION_ID: Final = "X-Recommendation-Id"
"""Header of an answer that is a bare list."""

_VARIANT: Final = 0b10 << 62


class IdMaker:
    """Makes ids in one thread or event loop, each after the one before; other processes make others."""

    def __init__(self) -> None:
        # The 62 bits of a UUID that are neither time nor counter: random once, as they only tell processes apart.
        low = f"{_VARIANT | secrets.randbits(62):016x}"
        self._end = f"{low[:4]}-{low[4:]}".encode()
        self._millisecond = 0
        self._count = 0

    def next(self) -> bytes:
        """36 characters of ASCII."""
        millisecond = time.time_ns() // 1_000_000
        if millisecond > self._millisecond:
            self._millisecond, self._count = millisecond, 0
        else:
            # Of the same millisecond, or of a clock that was put back.
            self._count += 1
            if self._count > 0xFFF:
                self._millisecond, self._count = self._millisecond + 1, 0
        made = self._millisecond
        return b"%08x-%04x-7%03x-%b" % (made >> 16, made & 0xFFFF, self._count, self._end)


_MAKER: Final = IdMaker()


def recommendation_id() -> bytes:
    """The id of one more list of this process; 36 characters of ASCII."""
    return _MAKER.next()
