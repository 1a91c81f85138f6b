"""Saved questions: files `NAME.sql` in the home's folder `queries`, and a few that come with Saran."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from saran.core.errors import SaranError
from saran.core.settings import Settings

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

BUNDLED: Final = {
    "events-by-day": "SELECT date_trunc('day', event_time) AS day, action, count(*) AS events\n"
    "FROM silver.events GROUP BY 1, 2 ORDER BY day DESC, action LIMIT 90",
    "most-used-items": "SELECT e.item_id, any_value(i.title) AS title, count(*) AS events, "
    "count(DISTINCT e.user_id) AS users\nFROM silver.events e LEFT JOIN silver.items i ON i.item_id = e.item_id\n"
    "GROUP BY e.item_id ORDER BY events DESC LIMIT 20",
    "most-active-users": "SELECT user_id, count(*) AS events, min(event_time) AS first, max(event_time) AS last\n"
    "FROM silver.events GROUP BY user_id ORDER BY events DESC LIMIT 20",
    "rejected-by-reason": "SELECT topic, reason, count(*) AS records, max(timestamp) AS newest\n"
    "FROM silver.rejected GROUP BY 1, 2 ORDER BY records DESC",
    "tables": "SELECT table_schema || '.' || table_name AS \"table\", count(*) AS columns,\n"
    "  array_agg(column_name ORDER BY ordinal_position) AS column_names\n"
    "FROM information_schema.columns WHERE table_schema IN ('bronze', 'silver', 'gold')\n"
    "GROUP BY 1 ORDER BY 1",
}
"""By name, in what DuckDB and Trino both understand; one of the home of the same name goes before it."""


def saved(settings: Settings) -> dict[str, str]:
    """All questions by name, the home's own first."""
    own = {file.stem: file.read_text(encoding="utf-8") for file in sorted(_folder(settings).glob("*.sql"))}
    return own | {name: text for name, text in BUNDLED.items() if name not in own}


def save(settings: Settings, name: str, statement: str) -> Path:
    """Keep a question under a name, in place of what it was. Raises SaranError for a name that is none."""
    if not _NAME.fullmatch(name):
        raise SaranError(
            f"{name!r} is no name of a question",
            fix="use up to 64 small letters, digits, - and _, a letter or digit first",
        )
    file = _folder(settings) / f"{name}.sql"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(statement.strip() + "\n", encoding="utf-8")
    return file


def _folder(settings: Settings) -> Path:
    return settings.home / "queries"
