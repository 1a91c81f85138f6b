"""Which pages there are: each where the data set has what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from saran.core.api_shapes import DatasetFacts
from saran.core.datasets import Origin
from saran.core.entities import Action
from saran.dashboard.language import TEXTS, language
from saran.dashboard.views import (
    active,
    alike,
    by_age,
    for_you,
    funnel,
    models,
    overview,
    segments,
    timeline,
    trending,
    will_buy,
)


@dataclass(frozen=True)
class Entry:
    """A page: what draws it, its name and icon, and its place in the address; the first one's is empty."""

    draw: Callable[[], None]
    title: str
    icon: str
    path: str
    there: bool = True


def entries(about: DatasetFacts | None) -> list[Entry]:
    """The pages of a data set. While it is not known, all of them: each says why it is empty."""
    texts = TEXTS[language(about)]
    has = about.capabilities if about is not None else None
    shop = about is None or Action.PURCHASE in about.actions
    views = about is None or Action.VIEW in about.actions
    offered = [
        Entry(overview.page, "Overview", "monitoring", ""),
        Entry(for_you.page, "For you", "recommend", "for-you"),
        Entry(alike.page, texts.alike, "hub", "more-like-this", has is None or has.titles is not Origin.NONE),
        Entry(by_age.page, texts.ages, "family_restroom", "by-age", has is None or has.ages is not Origin.NONE),
        Entry(trending.page, "Trending", "trending_up", "trending"),
        Entry(funnel.page, "Funnel", "filter_alt", "funnel", shop and views),
        Entry(timeline.page, "Event timeline", "timeline", "timeline"),
        Entry(active.page, "Active users", "groups", "active-users"),
        Entry(segments.page, "Segments", "group_work", "segments", shop),
        Entry(will_buy.page, "Will they buy", "shopping_cart", "will-they-buy", shop),
        Entry(models.page, "Models", "model_training", "models"),
    ]
    return [one for one in offered if one.there]


def pages(about: DatasetFacts | None) -> list[StreamlitPage]:
    """`entries` as Streamlit takes them."""
    return [
        st.Page(
            one.draw, title=one.title, icon=f":material/{one.icon}:", url_path=one.path or None, default=not one.path
        )
        for one in entries(about)
    ]
