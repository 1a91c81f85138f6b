"""`saran sql`: a question in SQL to the lakehouse, and its answer as a table, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from saran.cli.console import err, out
from saran.core.errors import SaranError
from saran.core.settings import Settings, load_settings
from saran.sql import sql_engine
from saran.sql.answer import Answer, Limits
from saran.sql.saved import save, saved

_SHOWN: Final = 60
"""Characters of a value in a table."""


def run_sql(statement: str, *, name: str, save_as: str, as_json: bool, as_csv: bool, limits: Limits) -> None:
    """Ask, and print the answer; without a statement and a name, the saved questions. Raises SaranError."""
    settings = load_settings()
    if not statement and not name:
        _list(settings)
        return
    if statement and name:
        raise SaranError("a question and the name of a saved one are two questions", fix="leave one of them out")
    if name:
        statement = _saved(settings, name)
    answer = sql_engine(settings, limits).ask(statement)
    if save_as:
        err.print(f"saved as {escape(str(save(settings, save_as, statement)))}", highlight=False)
    rows = answer.rows()
    if as_json:
        told = {"rows": rows, "more": answer.more, "seconds": answer.seconds, "versions": answer.versions}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    elif as_csv:
        _csv(answer, rows)
    else:
        _table(answer, rows)
    if answer.more and not as_json:
        err.print(f"[yellow]there are more rows than {limits.rows:,}[/yellow]: see --rows")


def _saved(settings: Settings, name: str) -> str:
    known = saved(settings)
    if name not in known:
        raise SaranError(f"there is no question {name!r}", fix=f"there are {', '.join(known)}")
    return known[name]


def _list(settings: Settings) -> None:
    for name, text in saved(settings).items():
        out.print(f"[bold]{escape(name)}[/bold]\n{escape(text.strip())}\n", highlight=False)


def _csv(answer: Answer, rows: list[dict[str, Any]]) -> None:
    writer = csv.DictWriter(sys.stdout, answer.table.column_names)
    writer.writeheader()
    writer.writerows(rows)


def _table(answer: Answer, rows: list[dict[str, Any]]) -> None:
    table = Table(*(escape(name) for name in answer.table.column_names))
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    out.print(table)
    versions = ", ".join(f"{name} {version}" for name, version in answer.versions.items())
    of = f"; versions: {versions}" if versions else ""
    out.print(f"{len(rows):,} rows in {answer.seconds:.2f} s{of}", highlight=False)


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return escape(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
