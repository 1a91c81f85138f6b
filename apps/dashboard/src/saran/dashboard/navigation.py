"""Which pages there are: each where the data set has what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from saran.core.datasets import Origin
from saran.core.entities import Action
from saran.core.system_shapes import DatasetFacts
from saran.dashboard.language import TEXTS, language
from saran.dashboard.views import (
    active,
    alike,
    by_age,
    data,
    experiments,
    for_you,
    funnel,
    models,
    overview,
    pipeline,
    segments,
    sql,
    timeline,
    trending,
    will_buy,
)

LISTS: Final = "Recommendations"
BEHAVIOUR: Final = "Behaviour"
MODELS: Final = "Models"
OPERATION: Final = "Operation"


@dataclass(frozen=True)
class Entry:
    """A page: what draws it, its section, name and icon, and its place in the address; the first one's is empty."""

    section: str
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
        Entry("", overview.page, overview.TITLE, "monitoring", ""),
        Entry(LISTS, for_you.page, "For you", "recommend", "for-you"),
        Entry(LISTS, alike.page, texts.alike, "hub", "more-like-this", has is None or has.titles is not Origin.NONE),
        Entry(LISTS, by_age.page, texts.ages, "family_restroom", "by-age", has is None or has.ages is not Origin.NONE),
        Entry(BEHAVIOUR, trending.page, "Trending", "trending_up", "trending"),
        Entry(BEHAVIOUR, funnel.page, "Funnel", "filter_alt", "funnel", shop and views),
        Entry(BEHAVIOUR, timeline.page, "Event timeline", "timeline", "timeline"),
        Entry(BEHAVIOUR, active.page, "Active users", "groups", "active-users"),
        Entry(MODELS, models.page, "Models", "model_training", "models"),
        Entry(MODELS, segments.page, "Segments", "group_work", "segments", shop),
        Entry(MODELS, will_buy.page, "Will they buy", "shopping_cart", "will-they-buy", shop),
        Entry(MODELS, experiments.page, "Experiments", "science", "experiments"),
        Entry(OPERATION, pipeline.page, "Pipeline", "conveyor_belt", "pipeline"),
        Entry(OPERATION, data.page, "Data", "table_view", "data"),
        Entry(OPERATION, sql.page, "SQL", "database_search", "sql"),
    ]
    return [one for one in offered if one.there]


def pages(about: DatasetFacts | None) -> dict[str, list[StreamlitPage]]:
    """`entries` by section, as Streamlit takes them."""
    sections: dict[str, list[StreamlitPage]] = {}
    for one in entries(about):
        icon = f":material/{one.icon}:"
        page = st.Page(one.draw, title=one.title, icon=icon, url_path=one.path or None, default=not one.path)
        sections.setdefault(one.section, []).append(page)
    return sections
