"""A few users worth a look, for pages that let a person choose one."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from saran.core.system_shapes import SuggestedUser

_AMONG: Final = 1000
"""Users that are looked at: enough to hold long histories, and a few milliseconds in a store of any size."""

_MOST: Final = 8

# The size of the hashes, which do not compress, orders histories by length without fetching them.
_QUERY: Final = """
WITH few AS (
    SELECT user_id, item_ids, event_times, pg_column_size(event_hashes) AS size
    FROM online.user_history ORDER BY user_id LIMIT %s
), longest AS (
    SELECT * FROM few ORDER BY size DESC, user_id LIMIT %s
)
SELECT user_id, cardinality(item_ids) AS history_events,
       to_timestamp(event_times[cardinality(event_times)] / 1000.0) AS newest_event
FROM longest ORDER BY history_events DESC, newest_event DESC, user_id
"""


def suggested_users(connection: psycopg.Connection[dict[str, Any]]) -> list[SuggestedUser]:
    """Users with the longest histories among the first by id, longest first."""
    return [SuggestedUser(**row) for row in connection.execute(_QUERY, (_AMONG, _MOST)).fetchall()]
