"""`online.exposures`: who was shown lists of which variant, and what they did then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from saran.api import history_table
from saran.api.history import EventColumns
from saran.core.entities import ACTION_CODES, Action
from saran.core.erasures import FOREVER

_BOUGHT: Final = ACTION_CODES[Action.PURCHASE]
_IMPRESSION: Final = ACTION_CODES[Action.IMPRESSION]

_SHOWN: Final = """
INSERT INTO online.exposures AS e (user_id, experiment, variant, first_at, item_ids)
SELECT user_id, experiment, min(variant), min(shown_at), (array_agg(DISTINCT item_id))[:1000]
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
    AS a (user_id, item_id, experiment, variant, shown_at)
GROUP BY user_id, experiment ORDER BY user_id, experiment
ON CONFLICT (user_id, experiment) DO UPDATE SET first_at = least(e.first_at, excluded.first_at),
    item_ids = (ARRAY(SELECT DISTINCT unnest(e.item_ids || excluded.item_ids)))[:1000]
"""
_DONE: Final = """
UPDATE online.exposures e SET clicked = e.clicked OR a.clicked, converted = e.converted OR a.converted
FROM (
    SELECT x.user_id, x.experiment, bool_or(d.item_id = ANY (x.item_ids)) AS clicked, bool_or(d.bought) AS converted
    FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::boolean[]) AS d (user_id, item_id, done_at, bought)
    JOIN online.exposures x ON x.user_id = d.user_id AND d.done_at >= x.first_at
    GROUP BY x.user_id, x.experiment
) a
WHERE (e.user_id, e.experiment) = (a.user_id, a.experiment)
"""


class Exposure(NamedTuple):
    """An item that a user was shown in an experiment; `at` is in milliseconds since 1970."""

    user_id: str
    item_id: str
    experiment: str
    variant: str
    at: int


def write(
    connection: history_table.Connection,
    shown: Sequence[Exposure],
    user_ids: Sequence[str],
    events: EventColumns,
    erased: Mapping[str, int],
) -> None:
    """Take in what was shown, then what users did. Doing so again changes nothing.

    `events.users` are positions in `user_ids`; `erased` tells until when what was shown to a user is left out.
    """
    kept = [one for one in shown if one.at > erased.get(one.user_id, -1)]
    if kept:
        connection.execute(_SHOWN, [list(column) for column in zip(*kept, strict=True)])
    if not len(events.items) or not _any(connection):
        return
    acts = events.take((events.actions != _IMPRESSION).nonzero()[0])
    users = [user_ids[place] for place in acts.users.tolist()]
    connection.execute(_DONE, (users, acts.items, acts.times.tolist(), (acts.actions == _BOUGHT).tolist()))


def forget(connection: history_table.Connection, users: Mapping[str, int]) -> None:
    """Remove what was shown to users first up to the given times."""
    until = [min(at, FOREVER) for at in users.values()]
    connection.execute(
        "DELETE FROM online.exposures e USING unnest(%s::text[], %s::bigint[]) AS a (user_id, until)"
        " WHERE e.user_id = a.user_id AND e.first_at <= a.until",
        (list(users), until),
    )


def _any(connection: history_table.Connection) -> bool:
    row = connection.execute("SELECT EXISTS (SELECT FROM online.exposures)").fetchone()
    return bool(row and row[0])
