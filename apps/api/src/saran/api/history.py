"""Users' recent events in columns, and how new events join them.

A history is the newest H distinct events of a user, by event time, equal times by `event_hashes`. That is a
function of the set of events alone: arrival order, repeats and replays cannot change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class EventColumns(NamedTuple):
    """Events of several users in parallel columns of one length."""

    users: NDArray[np.int64]
    """Position in a list of user ids that the holder keeps."""
    items: list[str]
    actions: NDArray[np.int16]
    """`saran.core.entities.ACTION_CODES`."""
    values: NDArray[np.float32]
    """NaN where an event has no value."""
    times: NDArray[np.int64]
    """Milliseconds since 1970, UTC."""
    hashes: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> EventColumns:
        """The events at `rows`, in that order."""
        items = self.items
        return EventColumns(
            self.users[rows],
            [items[row] for row in rows.tolist()],
            self.actions[rows],
            self.values[rows],
            self.times[rows],
            self.hashes[rows],
        )


def event_hashes(event_ids: Sequence[str]) -> NDArray[np.int64]:
    """First 64 bits of the MD5 of each id, as signed integers in the order of the hexadecimal digest.

    So `ORDER BY event_time, md5(event_id)` in SQL or Spark gives the order of histories.
    """
    md5 = hashlib.md5
    digests = b"".join([md5(event_id.encode(), usedforsecurity=False).digest() for event_id in event_ids])
    unsigned = np.frombuffer(digests, dtype=">u8").reshape(-1, 2)[:, 0].astype(np.uint64)
    return (unsigned ^ np.uint64(1 << 63)).view(np.int64)


def merge(stored: EventColumns, arrived: EventColumns, *, history: int) -> EventColumns:
    """The last `history` events of each user, by user and oldest first.

    An event whose hash its user has already is left out; of two that arrive together the first stays.
    """
    every = EventColumns(
        np.concatenate([stored.users, arrived.users]),
        stored.items + arrived.items,
        np.concatenate([stored.actions, arrived.actions]),
        np.concatenate([stored.values, arrived.values]),
        np.concatenate([stored.times, arrived.times]),
        np.concatenate([stored.hashes, arrived.hashes]),
    )
    by_hash = np.lexsort((every.hashes, every.users))  # stable: what was there first stays first
    users, hashes = every.users[by_hash], every.hashes[by_hash]
    first = np.r_[True, (users[1:] != users[:-1]) | (hashes[1:] != hashes[:-1])][: len(users)]
    distinct = by_hash[first]
    by_time = distinct[np.lexsort((every.hashes[distinct], every.times[distinct], every.users[distinct]))]
    ordered = every.users[by_time]
    ends = np.searchsorted(ordered, ordered, side="right")
    return every.take(by_time[ends - np.arange(len(ordered)) <= history])
