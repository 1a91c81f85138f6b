"""Questions in SQL to the lakehouse, answered by a Trino server, as a user whom the chart's Trino lets read only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

import pyarrow as pa

from saran.core.errors import SaranError
from saran.sql.answer import MOST_CHARACTERS, Answer, Limits, too_slow
from saran.sql.trino import Rows, StatementError, connect

USER: Final = "saran"

_QUESTION: Final = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:\(|(?:SELECT|WITH|VALUES|TABLE|SHOW|DESCRIBE|DESC)\b)", re.IGNORECASE | re.DOTALL
)
_PLAIN: Final = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "varchar": pa.string(),
    "array(varchar)": pa.list_(pa.string()),
}
_MICROSECONDS: Final = 6
"""Digits of a second that Arrow's column keeps."""


class TrinoEngine:
    """Asks the tables of one installation. Threads can share it; each question has a connection of its own."""

    def __init__(self, url: str, limits: Limits | None = None) -> None:
        self._url = url
        self._limits = limits or Limits()

    def ask(self, statement: str) -> Answer:
        """The answer to one SELECT (or DESCRIBE, SHOW, VALUES), of the newest version of each table.

        A table is `layer.name`, such as silver.events; times are UTC. Raises SaranError when it is another kind of
        statement, is wrong, takes too long, or Trino is away.
        """
        if len(statement) > MOST_CHARACTERS:
            raise SaranError(f"it has more than {MOST_CHARACTERS:,} characters", fix="ask a shorter question")
        if not _QUESTION.match(statement):
            raise SaranError("it is no single SELECT", fix="ask one question: SELECT, WITH … SELECT, DESCRIBE or SHOW")
        begin = monotonic()
        limit = self._limits.rows
        with connect(self._url, USER) as trino:
            try:
                found = trino.run(re.sub(r"[\s;]+$", "", statement), most=limit + 1, seconds=self._limits.seconds)
            except StatementError as error:
                if error.name == "EXCEEDED_TIME_LIMIT":
                    raise too_slow(self._limits) from error
                raise SaranError(
                    error.message,
                    fix="`SHOW TABLES FROM silver` lists a layer's tables, `DESCRIBE silver.events` columns",
                ) from error
        table = arrow_table(found)
        return Answer(table.slice(0, limit), table.num_rows > limit, monotonic() - begin, {})


def arrow_table(rows: Rows) -> pa.Table:
    """The rows in Arrow's types; what Arrow has no equal for is told as text."""
    by_column = list(zip(*rows.values, strict=True)) or [()] * len(rows.columns)
    columns = [_column(kind, values) for (_, kind), values in zip(rows.columns, by_column, strict=True)]
    return pa.Table.from_arrays(columns, names=[name for name, _ in rows.columns])


def _column(kind: str, values: tuple[Any, ...]) -> pa.Array:
    """`kind` is Trino's name of a type, `values` are as its JSON has them."""
    base = re.sub(r"^(varchar|char)\(\d+\)$", "varchar", kind)
    if base in _PLAIN:
        return pa.array(values, _PLAIN[base])
    if kind in {"double", "real"}:  # JSON knows no NaN and no infinity: they come as words
        return pa.array(_each(values, float), pa.float64())
    if kind == "date":
        return pa.array(values, pa.string()).cast(pa.date32())
    if found := re.fullmatch(r"decimal\((\d+), ?(\d+)\)", kind):
        return pa.array(values, pa.string()).cast(pa.decimal128(int(found[1]), int(found[2])))
    found = re.fullmatch(r"timestamp\((\d+)\)( with time zone)?", kind)
    if found and int(found[1]) <= _MICROSECONDS:
        texts = pa.array(_each(values, lambda text: text.removesuffix(" UTC")), pa.string())
        times = texts.cast(pa.timestamp("us"))
        return times.cast(pa.timestamp("us", "UTC")) if found[2] else times
    return pa.array(_each(values, _text), pa.string())


def _each(values: tuple[Any, ...], change: Callable[[Any], Any]) -> list[Any]:
    return [None if value is None else change(value) for value in values]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
