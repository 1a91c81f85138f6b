"""`online.users`: what the topic `users` last said of each user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import psycopg
from confluent_kafka import Message
from psycopg.types.json import Jsonb

from saran.core.entities import User
from saran.core.erasures import FOREVER, Tombstones
from saran.core.verdicts import Rejection, judge

_WRITE: Final = """
INSERT INTO online.users (user_id, birth_year, attributes) VALUES (%s, %s, %s)
ON CONFLICT (user_id) DO UPDATE SET birth_year = excluded.birth_year, attributes = excluded.attributes
"""


class Row(NamedTuple):
    """A user without the id."""

    birth_year: int | None
    attributes: dict[str, str]


def parse(messages: Sequence[Message]) -> dict[str, Row | None]:
    """The newest of each user, None for a tombstone; records that are no user are left out."""
    users: dict[str, Row | None] = {}
    for message in messages:
        value, key = message.value(), message.key()
        if value is None:
            if key is not None and b"\0" not in key:  # no user can have such an id
                users[key.decode(errors="replace")] = None
            continue
        user = judge(User, value, message.timestamp()[1])
        if not isinstance(user, Rejection):
            users[user.user_id] = Row(user.birth_year, user.attributes)
    return users


def write(connection: psycopg.Connection[Any], users: Mapping[str, Row | None], erased: Tombstones) -> None:
    """Put the users into the table; those who were forgotten stay out."""
    forgotten = {user for user, until in erased.among(list(users)).items() if until == FOREVER}
    given = [
        (user, row.birth_year, Jsonb(row.attributes))
        for user, row in users.items()
        if row is not None and user not in forgotten
    ]
    with connection.cursor() as cursor:
        if given:
            cursor.executemany(_WRITE, given)
        if gone := [user for user, row in users.items() if row is None]:
            cursor.execute("DELETE FROM online.users WHERE user_id = ANY(%s)", (gone,))
