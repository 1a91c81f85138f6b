"""Rows of users who were erased, found among those of a micro-batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from saran.core.erasures import FOREVER, Tombstones

_TIME: Final = 'Timestamp(Microsecond, Some("UTC"))'

Places = set[tuple[int, int]]
"""Partition and offset of records."""


def leave_out(tombstones: Tombstones, silver: pa.Table, rejected: pa.Table) -> tuple[pa.Table, pa.Table, Places]:
    """Rows of silver.events and silver.rejected without those of erased users, and the places of what was left out.

    A record that is no event is the user's whose id is its key.
    """
    events = _erased(tombstones, silver.column("user_id"), silver.column("event_time"))
    wrong = _erased(tombstones, _texts(rejected.column("key")), rejected.column("timestamp"))
    gone = _places(silver.filter(pa.array(events)), "kafka_partition", "kafka_offset")
    gone |= _places(rejected.filter(pa.array(wrong)), "partition", "offset")
    return silver.filter(pa.array(~events)), rejected.filter(pa.array(~wrong)), gone


def without_places(records: pa.Table, gone: Places) -> pa.Table:
    """Records of Kafka that are not at the places."""
    if not gone:
        return records
    places = zip(records.column("partition").to_pylist(), records.column("offset").to_pylist(), strict=True)
    return records.filter(pa.array([place not in gone for place in places], pa.bool_()))


def any_of(column: str, time: str, users: Mapping[str, int]) -> str:
    """SQL's condition for rows of the users up to their times, in milliseconds since 1970; `key` holds bytes."""
    conditions = []
    for user, until in users.items():
        name = f"X'{user.encode().hex()}'" if column == "key" else "'" + user.replace("'", "''") + "'"
        bound = "" if until == FOREVER else f" AND {time} <= arrow_cast({until * 1000}, '{_TIME}')"
        conditions.append(f"({column} = {name}{bound})")
    return " OR ".join(conditions)


def _erased(tombstones: Tombstones, users: pa.ChunkedArray, times: pa.ChunkedArray) -> NDArray[np.bool_]:
    """For each row whether its user was erased up to its time or later. Costs a hash for each user, not each row."""
    encoded = pc.dictionary_encode(users).combine_chunks()
    if not len(encoded):
        return np.zeros(0, dtype=np.bool_)
    user_ids = encoded.dictionary.to_pylist()
    erased = tombstones.among([user for user in user_ids if user is not None])
    if not erased:
        return np.zeros(len(encoded), dtype=np.bool_)
    # The last place is for rows without a user.
    until = np.array([*(erased.get(user, -1) for user in user_ids), -1], dtype=np.int64)
    which = pc.fill_null(encoded.indices, len(user_ids)).to_numpy(zero_copy_only=False)
    moments = times.cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64()).to_numpy()
    found: NDArray[np.bool_] = moments <= until[which]
    return found


def _texts(keys: pa.ChunkedArray) -> pa.ChunkedArray:
    texts = [None if key is None else key.decode(errors="replace") for key in keys.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _places(rows: pa.Table, partition: str, offset: str) -> Places:
    return set(zip(rows.column(partition).to_pylist(), rows.column(offset).to_pylist(), strict=True))
