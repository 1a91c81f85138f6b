"""Kafka records of `users` to rows of silver.users and silver.rejected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
from confluent_kafka import Message

from saran.core.entities import USER_ARROW, User
from saran.spark import lake_schemas
from saran.spark.event_records import judge_records, lineage_columns

_PLACE: Final = "place"
_RECORDS: Final = pa.schema(
    [
        (_PLACE, pa.int64()),
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("ms", "UTC")),
    ]
)


def read_users(messages: Sequence[Message]) -> tuple[pa.Table, list[str], pa.Table]:
    """The newest row of each user, the users whose newest record is a tombstone, and rows of silver.rejected.

    All records of a user, whose id is their key, are in one partition and so in `messages` in their order.
    """
    gone = [message.value() is None and message.key() is not None for message in messages]
    records = [_record(place, message) for place, message in enumerate(messages) if not gone[place]]
    (users, origins), rejected = judge_records(
        User, pa.Table.from_pylist(records, _RECORDS), User.model_dump, USER_ARROW
    )
    columns = {name: users.column(name) for name in users.column_names}
    rows = pa.table({**columns, **lineage_columns(origins)}).cast(lake_schemas.SILVER_USERS)
    told: list[tuple[int, str, int | None]] = [
        (place, user, number)
        for number, (place, user) in enumerate(
            zip(origins.column(_PLACE).to_pylist(), rows.column("user_id").to_pylist(), strict=True)
        )
    ]
    told += [
        (place, (message.key() or b"").decode(errors="replace"), None)
        for place, message in enumerate(messages)
        if gone[place]
    ]
    newest = {user: number for _, user, number in sorted(told, key=lambda one: one[0])}
    kept = [number for number in newest.values() if number is not None]
    return rows.take(pa.array(kept, pa.int64())), [user for user, number in newest.items() if number is None], rejected


def _record(place: int, message: Message) -> dict[str, object]:
    return {
        _PLACE: place,
        "key": message.key(),
        "value": message.value(),
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": message.timestamp()[1],
    }
