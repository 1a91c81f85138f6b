"""What a table holds, column by column: the figures of an EDA report, asked of DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import duckdb

BINS: Final = 24
TOP: Final = 10
_MOST_GROUPS: Final = 500
_NEARLY_UNIQUE: Final = 0.9
_NUMBERS: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UBIGINT")
_TIMES: Final = ("TIMESTAMP", "DATE")
_TEXTS: Final = ("VARCHAR", "VARCHAR[]", "BOOLEAN")
_MOST_RELATED: Final = 2
_MOST_MEASURES: Final = 4
_MOST_CORRELATED: Final = 8


@dataclass(frozen=True)
class Histogram:
    """Rows by equal steps from `low` to `high`; `beyond` rows are above, beyond 99 % of all values."""

    low: float | datetime
    high: float | datetime
    counts: list[int]
    beyond: int


@dataclass(frozen=True)
class ColumnProfile:
    """A column. `distinct` is estimated (HyperLogLog); mean, deviation and quartiles are of numbers only."""

    name: str
    type: str
    missing: int
    distinct: int
    low: Any = None
    high: Any = None
    mean: float | None = None
    deviation: float | None = None
    quartiles: tuple[float, float, float] | None = None
    top: list[tuple[str, int]] = field(default_factory=list)
    histogram: Histogram | None = None

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.type.startswith(_NUMBERS)

    @property
    def timed(self) -> bool:
        """Whether it holds times."""
        return self.type.startswith(_TIMES)


@dataclass(frozen=True)
class Relation:
    """Means of numbers by the most frequent values of a column: (value, rows, means)."""

    by: str
    measures: list[str]
    groups: list[tuple[str, int, list[float | None]]]


@dataclass(frozen=True)
class TableProfile:
    """A table. `repeated` rows equal another one in every column; `correlations` are Pearson's, by pair."""

    name: str
    rows: int
    repeated: int
    columns: list[ColumnProfile]
    relations: list[Relation]
    correlations: list[tuple[str, str, float]]

    @property
    def missing(self) -> float:
        """Share of cells without a value."""
        cells = self.rows * len(self.columns)
        return sum(column.missing for column in self.columns) / cells if cells else 0.0


def profile(database: duckdb.DuckDBPyConnection, name: str) -> TableProfile:
    """The profile of the table `name` of a database. Reads it once for all columns, and once more for each."""
    types = {row[0]: row[1] for row in database.execute(f"DESCRIBE {_quoted(name)}").fetchall()}
    (rows, repeated) = _one(
        database,
        f"SELECT count(*), count(*) - count(DISTINCT hash(t)) FROM {_quoted(name)} t",  # noqa: S608
    )
    columns = [_column(database, name, column, kind, rows) for column, kind in types.items()]
    return TableProfile(
        name=name,
        rows=rows,
        repeated=repeated,
        columns=columns,
        relations=_relations(database, name, columns),
        correlations=_correlations(database, name, columns),
    )


def _column(database: duckdb.DuckDBPyConnection, table: str, name: str, kind: str, rows: int) -> ColumnProfile:
    column, source = _quoted(name), _quoted(table)
    found = ColumnProfile(name, kind, 0, 0)
    ordered = found.numeric or found.timed
    asked = [f"count(*) - count({column})", f"approx_count_distinct({column})"]
    asked += [f"min({column})", f"max({column})"] if ordered or kind == "VARCHAR" else ["NULL", "NULL"]
    if found.numeric:
        value = f"{column}::DOUBLE"
        asked += [f"avg({value})", f"stddev_samp({value})", f"approx_quantile({value}, [0.25, 0.5, 0.75, 0.99])"]
    else:
        asked += ["NULL"] * 3
    missing, distinct, low, high, mean, deviation, quantiles = _one(
        database,
        f"SELECT {', '.join(asked)} FROM {source}",  # noqa: S608
    )
    known = rows - missing
    distinct = min(distinct, known)
    return ColumnProfile(
        name=name, type=kind, missing=missing, distinct=distinct, low=low, high=high, mean=mean, deviation=deviation,
        quartiles=tuple(quantiles[:3]) if quantiles else None,
        top=[] if found.timed or distinct > _NEARLY_UNIQUE * known else _top(database, source, column, kind),
        histogram=_histogram(database, source, column, low, quantiles[3] if quantiles else high)
        if ordered and known and distinct > 1
        else None,
    )  # fmt: skip


def _top(database: duckdb.DuckDBPyConnection, source: str, column: str, kind: str) -> list[tuple[str, int]]:
    each = f"unnest({column})" if kind.endswith("[]") else column
    found = database.execute(
        f"SELECT v::VARCHAR, count(*) AS n FROM (SELECT {each} AS v FROM {source}) WHERE v IS NOT NULL "  # noqa: S608
        f"GROUP BY v ORDER BY n DESC, v LIMIT {TOP}"
    ).fetchall()
    return [(str(value), int(count)) for value, count in found]


def _histogram(database: duckdb.DuckDBPyConnection, source: str, column: str, low: Any, high: Any) -> Histogram | None:
    timed = isinstance(low, datetime) or hasattr(low, "isoformat")
    value = f"epoch({column})" if timed else f"{column}::DOUBLE"
    bounds = _one(
        database, f"SELECT {'epoch($1::TIMESTAMPTZ), epoch($2::TIMESTAMPTZ)' if timed else '$1, $2'}", low, high
    )
    begin, end = float(bounds[0]), float(bounds[1])
    if end <= begin:
        return None
    step = (end - begin) / BINS
    found = database.execute(
        f"SELECT least(floor(({value} - $1) / $2), {BINS - 1})::INTEGER AS bin, count(*) FROM {source} "  # noqa: S608
        f"WHERE {value} BETWEEN $1 AND $3 GROUP BY bin",
        [begin, step, end],
    ).fetchall()
    counts = [0] * BINS
    for place, count in found:
        counts[place] = count
    (beyond,) = _one(database, f"SELECT count(*) FROM {source} WHERE {value} > $1", end)  # noqa: S608
    return Histogram(low, high, counts, beyond)


def _relations(database: duckdb.DuckDBPyConnection, table: str, columns: Sequence[ColumnProfile]) -> list[Relation]:
    """Of the columns with few values, those with most of them first: they tell most apart."""
    measures = [one.name for one in columns if one.numeric and not one.name.lower().endswith("id")][:_MOST_MEASURES]
    groups = [
        one
        for one in columns
        if one.top
        and 1 < one.distinct <= _MOST_GROUPS
        and (one.type in _TEXTS or (one.numeric and one.name.lower().endswith("id")))
    ]
    groups.sort(key=lambda one: -one.distinct)
    return [_relation(database, table, one, measures) for one in groups[:_MOST_RELATED]] if measures else []


def _relation(database: duckdb.DuckDBPyConnection, table: str, by: ColumnProfile, measures: Sequence[str]) -> Relation:
    each = f"unnest({_quoted(by.name)})" if by.type.endswith("[]") else _quoted(by.name)
    means = ", ".join(f"avg({_quoted(name)}::DOUBLE)" for name in measures)
    kept = ", ".join(_quoted(name) for name in measures)
    found = database.execute(
        f"SELECT v::VARCHAR, count(*) AS n, {means} FROM (SELECT {each} AS v, {kept} FROM {_quoted(table)}) "  # noqa: S608
        f"WHERE v IS NOT NULL GROUP BY v ORDER BY n DESC, v LIMIT {TOP}"
    ).fetchall()
    return Relation(by.name, list(measures), [(row[0], row[1], list(row[2:])) for row in found])


def _correlations(
    database: duckdb.DuckDBPyConnection, table: str, columns: Sequence[ColumnProfile]
) -> list[tuple[str, str, float]]:
    names = [one.name for one in columns if one.numeric and one.distinct > 1 and not one.name.lower().endswith("id")]
    pairs = [
        (one, two) for place, one in enumerate(names[:_MOST_CORRELATED]) for two in names[place + 1 : _MOST_CORRELATED]
    ]
    if not pairs:
        return []
    asked = ", ".join(f"corr({_quoted(one)}::DOUBLE, {_quoted(two)}::DOUBLE)" for one, two in pairs)
    found = _one(database, f"SELECT {asked} FROM {_quoted(table)}")  # noqa: S608
    return [(*pair, value) for pair, value in zip(pairs, found, strict=True) if value is not None]


def _one(database: duckdb.DuckDBPyConnection, query: str, *values: Any) -> tuple[Any, ...]:
    row = database.execute(query, list(values)).fetchone()
    assert row is not None  # noqa: S101 - each is an aggregate of all rows
    return tuple(row)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
