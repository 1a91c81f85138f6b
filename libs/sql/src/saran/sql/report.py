"""Profiles of tables as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from saran.sql.profile import ColumnProfile, Histogram, Relation, TableProfile

_STYLE: Final = """
:root { color-scheme: light dark; --line: #d5dad7; --bar: #0f766e; --quiet: #5b6b70; }
@media (prefers-color-scheme: dark) { :root { --line: #37424a; --bar: #3fb8aa; --quiet: #9fb0b5; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } .quiet { color: var(--quiet); }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); gap: 1.2rem; }
.card { border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; overflow: hidden; }
.card h3 { margin: 0 0 .3rem; overflow-wrap: anywhere; } .bar { fill: var(--bar); }
.top { display: grid; grid-template-columns: 1fr 5rem; gap: .15rem .6rem; margin-top: .5rem; }
.top span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.share { background: linear-gradient(var(--bar), var(--bar)) no-repeat left bottom / var(--part) 3px; }
"""


def html(title: str, told: Sequence[tuple[str, str]], tables: Sequence[TableProfile], made_at: datetime) -> str:
    """The page: `told` are the five V's with what is said of each, then a part a table."""
    parts = "".join(map(_table, tables))
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in told)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>"
        f'<p class="quiet">Made {made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC by <code>saran explore</code>. Distinct '
        f"values are estimated; histograms end where 99&nbsp;% of the values do.</p><table>{rows}</table>{parts}</html>"
    )


def five_vs(tables: Sequence[TableProfile], sizes: dict[str, int]) -> list[tuple[str, str]]:
    """Volume, velocity, variety, veracity and value, as far as the tables tell."""
    cells = sum(one.rows * len(one.columns) for one in tables)
    missing = sum(column.missing for one in tables for column in one.columns)
    kinds = sorted({column.type.partition("(")[0] for one in tables for column in one.columns})
    repeated = sum(one.repeated for one in tables)
    return [
        ("Volume", "; ".join(f"{one.name}: {one.rows:,} rows, {_size(sizes[one.name])}" for one in tables)),
        ("Velocity", "; ".join(_velocity(tables)) or "no column holds times that tell it"),
        ("Variety", f"{sum(len(one.columns) for one in tables)} columns of {len(kinds)} types: {', '.join(kinds)}"),
        (
            "Veracity",
            f"{missing / cells if cells else 0:.1%} of all cells have no value; {repeated:,} rows repeat another one",
        ),
        ("Value", "; ".join(_value(tables)) or "no column holds a price or an amount"),
    ]


def _velocity(tables: Iterable[TableProfile]) -> Iterable[str]:
    for one in tables:
        for column in one.columns:
            if column.timed and column.low is not None and (days := (column.high - column.low).days):
                yield f"{one.name}: {one.rows / days:,.0f} rows a day by {column.name} over {days:,} days"


def _value(tables: Iterable[TableProfile]) -> Iterable[str]:
    for one in tables:
        for column in one.columns:
            if (
                column.numeric
                and column.quartiles
                and column.name.lower() in {"price", "listprice", "list_price", "value"}
            ):
                yield f"{one.name}: median {column.name} {column.quartiles[1]:,.2f}, mean {column.mean:,.2f}"


def _table(one: TableProfile) -> str:
    rows = "".join(
        f"<tr><td>{escape(column.name)}</td><td>{escape(column.type)}</td>"
        f'<td class="n">{column.missing:,}</td><td class="n">{_share(column.missing, one.rows)}</td>'
        f'<td class="n">{column.distinct:,}</td><td>{_short(column.low)}</td><td>{_short(column.high)}</td></tr>'
        for column in one.columns
    )
    return (
        f"<h2>{escape(one.name)}</h2><p>{one.rows:,} rows × {len(one.columns)} columns, {one.repeated:,} of them "
        f"repeat another row; {one.missing:.1%} of the cells have no value.</p>"
        f'<table><tr><th>column</th><th>type</th><th class="n">missing</th><th class="n">share</th>'
        f'<th class="n">distinct ≈</th><th>least</th><th>greatest</th></tr>{rows}</table>'
        f'<h3>Distributions</h3><div class="grid">{"".join(_card(column, one.rows) for column in one.columns)}</div>'
        f"{''.join(map(_relation, one.relations))}{_correlations(one)}"
    )


def _card(column: ColumnProfile, rows: int) -> str:
    told = []
    if column.mean is not None and column.quartiles is not None:
        deviation = "" if column.deviation is None else f", deviation {column.deviation:,.4g}"
        quartiles = ", ".join(f"{value:,.4g}" for value in column.quartiles)
        told.append(f'<p class="quiet">mean {column.mean:,.4g}{deviation}; quartiles {quartiles}</p>')
    if column.histogram is not None:
        told.append(_bars(column.histogram))
    if column.top:
        told.append(_top(column, rows))
    if not told:
        told.append('<p class="quiet">nearly every value is another one</p>' if column.distinct else "<p>no value</p>")
    return f'<div class="card"><h3>{escape(column.name)}</h3>{"".join(told)}</div>'


def _bars(histogram: Histogram) -> str:
    most = max(histogram.counts) or 1
    width = 300 / len(histogram.counts)
    bars = "".join(
        f'<rect class="bar" x="{place * width:.1f}" y="{90 - 90 * count / most:.1f}" width="{width - 1:.1f}" '
        f'height="{90 * count / most:.1f}"><title>{count:,} rows</title></rect>'
        for place, count in enumerate(histogram.counts)
    )
    beyond = f"; {histogram.beyond:,} beyond" if histogram.beyond else ""
    ends = f"{_short(histogram.low)} to {_short(histogram.high)}"
    return (
        f'<svg viewBox="0 0 300 92" width="100%" role="img" aria-label="histogram, {ends}">{bars}</svg>'
        f'<p class="quiet">{ends}, up to {most:,} rows a bar{beyond}</p>'
    )


def _top(column: ColumnProfile, rows: int) -> str:
    most = column.top[0][1]
    lines = "".join(
        f'<span class="share" style="--part:{100 * count / most:.1f}%" title="{escape(value, quote=True)}">'
        f'{escape(value) or "(empty)"}</span><span style="text-align:right">{_share(count, rows)}</span>'
        for value, count in column.top
    )
    return f'<div class="top">{lines}</div>'


def _relation(one: Relation) -> str:
    head = "".join(f'<th class="n">mean {escape(name)}</th>' for name in one.measures)
    rows = "".join(
        f'<tr><td>{escape(value)}</td><td class="n">{count:,}</td>'
        + "".join(f'<td class="n">{_short(mean)}</td>' for mean in means)
        + "</tr>"
        for value, count, means in one.groups
    )
    by = escape(one.by)
    return f'<h3>By {by}</h3><table><tr><th>{by}</th><th class="n">rows</th>{head}</tr>{rows}</table>'


def _correlations(one: TableProfile) -> str:
    if not one.correlations:
        return ""
    found = sorted(one.correlations, key=lambda each: -abs(each[2]))
    rows = "".join(
        f'<tr><td>{escape(first)}</td><td>{escape(second)}</td><td class="n">{value:+.3f}</td></tr>'
        for first, second, value in found
    )
    head = '<th>column</th><th>column</th><th class="n">r</th>'
    return f"<h3>Correlations (Pearson)</h3><table><tr>{head}</tr>{rows}</table>"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _short(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    text = f"{value:,.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    return escape(text if len(text) <= 40 else f"{text[:39]}…")
