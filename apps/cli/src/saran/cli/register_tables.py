"""`saran register-tables`: the lakehouse's Delta tables become tables of Trino's catalog, under their own names."""

from __future__ import annotations

import json
import logging
import time
from typing import Final

from saran.cli.console import out
from saran.core.errors import SaranError
from saran.core.names import Table
from saran.core.settings import Settings, load_settings
from saran.sql.trino import CATALOG, StatementError, Trino, connect

USER: Final = "registrar"
"""The only user of the chart's Trino who may call procedures."""

TABLES: Final = sorted(value for name, value in vars(Table).items() if name.isupper())
_ABSENT: Final = "No transaction log found"
_log = logging.getLogger(__name__)


def register(trino: Trino, settings: Settings) -> list[str]:
    """Register the tables that are in the lakehouse and not yet in the catalog; their names. Safe to repeat.

    Raises SaranError when Trino does not answer, StatementError when it refuses.
    """
    known = {
        ".".join(row) for row in trino.run("SELECT table_schema, table_name FROM information_schema.tables").values
    }
    added = []
    for table in TABLES:
        if table in known:
            continue
        schema, name = table.split(".")
        trino.run(f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.{schema}")
        call = f"schema_name => '{schema}', table_name => '{name}', table_location => '{settings.table_path(table)}'"
        try:
            trino.run(f"CALL {CATALOG}.system.register_table({call})")
        except StatementError as error:
            # Not yet written, which is no error: it is registered once it is.
            if _ABSENT not in error.message:
                raise
            continue
        added.append(table)
    return added


def register_tables(every: float | None, *, as_json: bool) -> None:
    """Register once, or every so many seconds, waiting for Trino. Raises SaranError when a single try fails."""
    settings = load_settings()
    with connect(settings.trino_url, USER) as trino:
        while True:
            try:
                _tell(register(trino, settings), as_json=as_json)
            except (SaranError, StatementError) as error:
                if every is None:
                    raise _explained(error) from error
                _log.warning("%s", error)
            if every is None:
                return
            time.sleep(every)


def _tell(added: list[str], *, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps({"registered": added}))
    elif added:
        out.print(f"registered {', '.join(added)}", highlight=False, soft_wrap=True)


def _explained(error: Exception) -> Exception:
    if not isinstance(error, StatementError):
        return error
    return SaranError(
        f"Trino refused: {error}", fix=f"its catalog {CATALOG} must read the lakehouse, and let {USER} in"
    )
