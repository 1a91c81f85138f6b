"""What a dashboard is made of, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["lines", "area", "number", "name"]

RATE: Final = "$__rate_interval"
"""Grafana's own: long enough for a rate at the interval by which targets are read."""


@dataclass(frozen=True)
class Query:
    """PromQL, and the name of its lines; labels stand in two braces."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture. `unit` is one of Grafana's."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    description: str = ""
    kind: Kind = "lines"


@dataclass(frozen=True)
class Row:
    """Panels side by side, four numbers or two graphs to a line."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """One dashboard; `name` is its file's and part of its uid."""

    name: str
    title: str
    rows: tuple[Row, ...]


def panel(title: str, unit: str, *queries: tuple[str, str], description: str = "", kind: Kind = "lines") -> Panel:
    return Panel(title, unit, tuple(Query(*query) for query in queries), description, kind)


def quantiles(histogram: str, matchers: str = "", by: str = "") -> tuple[tuple[str, str], ...]:
    """Median, 95th and 99th percentile of a histogram; `by` is one more label to keep."""
    labels, legend = (f"le, {by}", f" {{{{{by}}}}}") if by else ("le", "")
    rate = f"sum by ({labels}) (rate({histogram}_bucket{{@{matchers}}}[{RATE}]))"
    return tuple(
        (f"histogram_quantile({share}, {rate})", f"p{round(100 * share)}{legend}") for share in (0.5, 0.95, 0.99)
    )
