"""By age: what is popular of what somebody of an age may see, and where each age class comes from."""

from __future__ import annotations

from typing import Final

import streamlit as st

from saran.core.api_shapes import AgedCard, ForAge
from saran.dashboard import words
from saran.dashboard.answers import answered
from saran.dashboard.connection import api, known, settings
from saran.dashboard.language import Texts, draw_heading
from saran.dashboard.tables import download
from saran.dashboard.widgets import card_grid, card_html, state

LIST_LENGTH: Final = 24
OLDEST: Final = 100
"""Years that the slider ends at; classes end at 18."""

_DEFAULT: Final = 13

# Keys of st.session_state; the age is in the address too.
AGE: Final = "age"
_OWN: Final = "by_age.own"


def page() -> None:
    """Draw the page."""
    texts = draw_heading(lambda texts: texts.ages, known())
    st.caption(texts.ages_intro)
    slider, toggle = st.columns([3, 1.2], gap="large", vertical_alignment="bottom")
    if AGE not in st.session_state:
        st.session_state[AGE] = _given()
    age = slider.slider(texts.age, 0, OLDEST, key=AGE, help=texts.age_help)
    own = toggle.toggle(texts.own_class, key=_OWN, help=texts.own_class_help)
    st.query_params[AGE] = str(age)
    answer = answered("by_age", (age, own), lambda: api().by_age(age, limit=LIST_LENGTH, own_class=own))
    if answer is not None:
        _listed(texts, answer)


def _given() -> int:
    """The address's age, where it is one."""
    text = st.query_params.get(AGE, "")
    return min(int(text), OLDEST) if text.isdecimal() and len(text) <= 3 else _DEFAULT


def _listed(texts: Texts, answer: ForAge) -> None:
    if not answer.items:
        state("family_restroom", texts.nothing_for_age, words.message(answer.note or ""))
        return
    st.subheader(texts.for_age.format(age=answer.age), anchor=False)
    group = answer.age_group
    told = [
        *([texts.liked_by_age.format(people=f"{group.people:,}", group=group.name)] if group else []),
        texts.as_of.format(moment=words.moment(answer.as_of)),
        texts.model.format(version=words.literal(answer.model_version)),
        *([texts.synthetic] if answer.synthetic else []),
    ]
    st.caption(" · ".join(told))

    def drawn(card: AgedCard) -> str:
        facts = [_origin(texts, card)]
        if group and card.users:
            facts.append(texts.users_of_age.format(users=f"{card.users:,}", group=group.name))
        return card_html(card, settings().api_public_url, mark=_class(texts, card.age_rating), facts=facts)

    card_grid("ages", answer.items, drawn)
    rows = [
        {
            "rank": one.rank, "item_id": one.item_id, "title": one.title, "age_rating": one.age_rating,
            "age_provenance": one.age_provenance, "users": one.users,
        }
        for one in answer.items
    ]  # fmt: skip
    download(texts.download, f"age-{answer.age}", rows)


def _class(texts: Texts, rating: str) -> str:
    return texts.everybody if rating == "all" else rating


def _origin(texts: Texts, card: AgedCard) -> str:
    return {"given": texts.given, "derived": texts.derived, "simulated": texts.simulated}[card.age_provenance]
