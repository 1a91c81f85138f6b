"""Trending: which items rise, and how the interest in categories goes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import streamlit as st

from saran.core.analytics_shapes import Bucket, Trending, TrendingCard, Trends, TrendsRange, TrendWindow
from saran.dashboard import words
from saran.dashboard.answers import answered, no_figures
from saran.dashboard.charts import legend, time_axis
from saran.dashboard.connection import api, settings
from saran.dashboard.tables import download
from saran.dashboard.views import analysis
from saran.dashboard.widgets import card_grid, card_html, state

LIST_LENGTH: Final = 24
LINES: Final = 8
"""Categories in the chart: more lines than that cannot be told apart."""

_LENGTHS: Final = {
    TrendWindow.SIX_HOURS: timedelta(hours=6),
    TrendWindow.DAY: timedelta(days=1),
    TrendWindow.WEEK: timedelta(days=7),
    TrendWindow.MONTH: timedelta(days=30),
}
_SCORE: Final = (
    "Interest is events by weight: a view, click or rating 1, a cart 3, a purchase 5. The trend score is how many "
    "standard deviations the rise since the window before is beyond chance."
)


def page() -> None:
    """Draw the page."""
    analysis.heading("Trending", "What rises: each window against the one of the same length before it.")
    windows, choice, forms = st.columns([1.5, 1.5, 1], gap="small", vertical_alignment="bottom")
    window = windows.segmented_control(
        "Window", list(TrendWindow), default=TrendWindow.DAY, format_func=str, key="trending.window", required=True
    )
    with choice:
        category = analysis.category("trending.category")
    form = forms.segmented_control("Show as", ["Cards", "Table"], default="Cards", key="trending.form", required=True)
    answer = answered(
        "trending",
        (window, category),
        lambda: api().trending(limit=LIST_LENGTH, category=category, window=window),
    )
    if answer is None:
        return
    _items(answer, as_table=form == "Table")
    if answer.as_of is not None:
        _categories(window, category, answer.as_of)


def _items(answer: Trending, *, as_table: bool) -> None:
    if answer.note:
        st.info(words.message(f"{answer.note[0].upper()}{answer.note[1:]}"), icon=":material/info:")
    if not answer.items:
        state("trending_flat", "Nothing in this window", "No item had an event in it: choose a longer one.")
        return
    moving = answer.source == "trending"
    st.subheader("Movers" if moving else "Popular", anchor=False, help=_SCORE if moving else None)
    told = [
        *([f"data as of {words.moment(answer.as_of)}"] if answer.as_of is not None else []),
        *([f"cards of model {words.literal(answer.model_version)}"] if answer.model_version is not None else []),
    ]
    st.caption(" · ".join(told))
    rows = [item_row(one) for one in answer.items]
    if as_table:
        st.dataframe(rows, hide_index=True, alt="Items by trend score")
    else:
        card_grid("trending", answer.items, _card)
    download("Download as CSV", f"trending-{answer.window}", rows)


def _card(card: TrendingCard) -> str:
    facts = [] if card.trend_score is None else [f"trend {card.trend_score:+.1f}"]
    facts += [] if card.views_today is None else [f"{words.plural(card.views_today, 'view')} today"]
    mark = "" if card.trend_score is None else _growth(card.interest, card.growth_rate)
    return card_html(card, settings().api_public_url, mark=f"{card.rank} · {mark}" if mark else "", facts=facts)


def _growth(interest: float | None, rate: float | None) -> str:
    """`new` where there was no interest before."""
    return "new" if rate is None and interest else words.change(rate)


def item_row(card: TrendingCard) -> dict[str, Any]:
    """A mover as a row of the table and of its file."""
    return {
        "rank": card.rank, "item_id": card.item_id, "title": card.title, "trend_score": card.trend_score,
        "views_today": card.views_today, "interest": card.interest, "growth_rate": card.growth_rate,
    }  # fmt: skip


def question(window: TrendWindow, category: str | None, as_of: datetime) -> TrendsRange:
    """The categories over the same time: whole hours up to the newest event, or whole days from 7d on."""
    long = _LENGTHS[window] > timedelta(days=1)
    last = as_of.replace(minute=0, second=0, microsecond=0)
    end = last.replace(hour=0) + timedelta(days=1) if long else last + timedelta(hours=1)
    return TrendsRange.model_validate(
        {
            "from": end - _LENGTHS[window],
            "bucket": Bucket.DAY if long else Bucket.HOUR,
            "category": category,
            "limit": LINES,
        }
    )


def _categories(window: TrendWindow, category: str | None, as_of: datetime) -> None:
    asked = question(window, category, as_of)
    st.subheader("Categories over time", help=_SCORE, anchor=False)
    answer = answered("trending.categories", asked, lambda: api().trends(asked), draw_why=no_figures)
    if answer is None:
        return
    if not answer.categories:
        state("category", "No category", "No item with a category had an event in this window.")
        return
    st.caption(f"{analysis.told(answer.as_of, answer.from_, answer.to)} · interest by {answer.bucket}")
    lines = line_rows(answer)
    summed = ", ".join(f"{one.category} {one.interest:,.0f}" for one in answer.categories)
    st.vega_lite_chart(_chart(lines), alt=f"Interest over time by category; in all: {summed}")
    rows = [
        {
            "category": one.category, "interest": one.interest, "before": one.interest_before,
            "growth": _growth(one.interest, one.growth_rate), "trend score": round(one.trend_score, 2),
            "views": one.views, "carts": one.carts, "purchases": one.purchases, "revenue": one.revenue,
        }
        for one in answer.categories
    ]  # fmt: skip
    st.dataframe(rows, hide_index=True, alt="Categories by interest, against the time of the same length before")
    file = [{"category": row["category"], "start": row["start"], "interest": row["interest"]} for row in lines]
    download("Download as CSV, over time", f"categories-{window}", file)


def line_rows(answer: Trends) -> list[dict[str, Any]]:
    """A row a category and bucket."""
    return [
        {"category": one.category, "start": start.isoformat(), "at": words.moment(start), "interest": interest}
        for one in answer.categories
        for start, interest in zip(answer.buckets, one.series, strict=True)
    ]


def _chart(rows: list[dict[str, Any]]) -> dict[str, Any]:
    order = list(dict.fromkeys(row["category"] for row in rows))
    return {
        "data": {"values": rows},
        "height": 340,
        "mark": {"type": "line", "point": {"size": 30, "filled": True}},
        "encoding": {
            "x": time_axis("start"),
            "y": {"field": "interest", "type": "quantitative", "title": "interest"},
            "color": legend("category", order),
            "tooltip": [{"field": "category"}, {"field": "at", "title": "from"}, {"field": "interest"}],
        },
    }
