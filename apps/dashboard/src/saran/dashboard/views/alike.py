"""More like this: choose a title, and see side by side what is like it by content and by behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import streamlit as st

from saran.client import ApiError
from saran.core.api_shapes import Card, RankedCard, Similar
from saran.core.list_options import SessionRequest
from saran.dashboard import words
from saran.dashboard.answers import answered
from saran.dashboard.connection import api, known, settings
from saran.dashboard.language import Texts, draw_heading
from saran.dashboard.tables import download
from saran.dashboard.widgets import card_grid, card_html, picture_html

LIST_LENGTH: Final = 9
FOUND_LENGTH: Final = 12
_LONGEST_STORY: Final = 600
"""Characters of a description that are shown."""

# Keys of st.session_state; the item is in the address too, so that a page can be sent to others.
ITEM: Final = "item"
_CHOSEN: Final = "alike.item"
_SEARCH: Final = "alike.search"

Likeness = Literal["content", "behaviour"]


def page() -> None:
    """Draw the page."""
    texts = draw_heading(lambda texts: texts.alike, known())
    st.caption(texts.alike_intro)
    query = st.text_input(
        texts.search, max_chars=200, placeholder=texts.search_hint, icon=":material/search:", key=_SEARCH
    ).strip()
    item_id: str | None = st.session_state.get(_CHOSEN) or st.query_params.get(ITEM)
    if query:
        _found(texts, query)
    elif item_id is None:
        _popular(texts)
    if item_id is not None:
        st.query_params[ITEM] = item_id
        _chosen(texts, item_id)


def _found(texts: Texts, query: str) -> None:
    cards = answered("alike.found", query, lambda: api().search(query, limit=FOUND_LENGTH))
    if cards is None:
        return
    shown = words.literal(query)
    if not cards:
        st.info(texts.none_found.format(query=shown), icon=":material/search_off:")
        return
    st.subheader(texts.found.format(query=shown))
    _offer(texts, cards, "found")


def _popular(texts: Texts) -> None:
    """A start for who has no title in mind."""
    listed = answered("alike.popular", None, lambda: api().session(SessionRequest(items=[], limit=FOUND_LENGTH)))
    if listed is not None and listed.items:
        st.subheader(texts.begin)
        _offer(texts, listed.items, "popular")


def _offer(texts: Texts, cards: Sequence[Card], where: str, both: frozenset[str] = frozenset()) -> None:
    def drawn(card: Card) -> str:
        facts = [f"{texts.score} {card.score:.3f}"] if isinstance(card, RankedCard) and where in _LIKENESSES else []
        return card_html(card, settings().api_public_url, mark="✓✓" if card.item_id in both else "", facts=facts)

    card_grid(where, cards, drawn, lambda card: _choice(texts, card, where))


def _choice(texts: Texts, card: Card, where: str) -> None:
    st.button(
        texts.choose, key=f"choose-{where}-{card.item_id}", on_click=_choose, args=(card.item_id,), width="stretch"
    )


def _choose(item_id: str) -> None:
    st.session_state[_CHOSEN] = item_id
    st.session_state[_SEARCH] = ""


def _chosen(texts: Texts, item_id: str) -> None:
    item = answered("alike.item", item_id, lambda: api().item(item_id))
    if item is None:
        return
    card = Card.model_validate(item.model_dump(), strict=False)
    st.divider()
    picture, facts = st.columns([1, 5], gap="medium", vertical_alignment="center")
    with picture.container(key="chosen"):
        st.html(picture_html(card, settings().api_public_url))
    with facts:
        st.subheader(words.literal(words.name(card)), anchor=False)
        told = [*item.categories, *filter(None, (item.release_date, item.age_rating))]
        st.caption(words.literal(" · ".join(told)))
        if item.description:
            st.markdown(words.literal(_shortened(item.description)))
    asked = {by: _similar(item_id, by) for by in _LIKENESSES}
    both = _shared([answer for answer in asked.values() if isinstance(answer, Similar)])
    for column, (by, answer) in zip(st.columns(2, gap="large"), asked.items(), strict=True):
        with column:
            _side(texts, by, answer, both)
    rows = [
        {"by": by, "rank": one.rank, "item_id": one.item_id, "title": one.title, "score": one.score}
        for by, answer in asked.items()
        if isinstance(answer, Similar)
        for one in answer.items
    ]
    download(texts.download, f"like-{item_id}", rows)


_LIKENESSES: Final[tuple[Likeness, ...]] = ("content", "behaviour")


def _similar(item_id: str, by: Likeness) -> Similar | ApiError:
    """The answer, or why there is none: one side's failure leaves the other's list."""
    try:
        return api().similar(item_id, limit=LIST_LENGTH, by=by)
    except ApiError as error:
        return error


def _shared(answers: list[Similar]) -> frozenset[str]:
    """Items that every list has, where there is more than one."""
    lists = [{one.item_id for one in answer.items} for answer in answers]
    return frozenset(set.intersection(*lists)) if len(lists) > 1 else frozenset()


def _side(texts: Texts, by: Likeness, answer: Similar | ApiError, both: frozenset[str]) -> None:
    heading, help_text = {
        "content": (texts.by_content, texts.by_content_help),
        "behaviour": (texts.by_behaviour, texts.by_behaviour_help),
    }[by]
    st.subheader(heading, help=help_text, anchor=False)
    if isinstance(answer, ApiError):
        st.info(words.message(str(answer)), icon=":material/info:")
        return
    if not answer.items:
        st.info(texts.nothing_alike, icon=":material/inbox:")
        return
    told = [texts.model.format(version=words.literal(answer.model_version))]
    if both:
        told.append(f"✓✓ {texts.in_both.format(both=len(both), all=len(answer.items))}")
    st.caption(" · ".join(told))
    _offer(texts, answer.items, by, both)


def _shortened(story: str) -> str:
    if len(story) <= _LONGEST_STORY:
        return story
    return story[:_LONGEST_STORY].rsplit(" ", 1)[0] + " …"
