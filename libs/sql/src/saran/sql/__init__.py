"""SQL over the lakehouse's Delta tables, which changes nothing: Trino answers where there is one, else DuckDB does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saran.core.settings import Settings

if TYPE_CHECKING:
    from saran.sql.answer import Limits
    from saran.sql.engine import Engine
    from saran.sql.trino_engine import TrinoEngine


def sql_engine(settings: Settings, limits: Limits | None = None) -> Engine | TrinoEngine:
    """Who answers questions: the Trino at `trino_url`, and this process where none is named."""
    # A cluster's dashboard has no DuckDB: there Trino answers.
    if settings.trino_url:
        from saran.sql.trino_engine import TrinoEngine  # noqa: PLC0415

        return TrinoEngine(settings.trino_url, limits)
    from saran.sql.engine import Engine  # noqa: PLC0415

    return Engine(settings, limits)
