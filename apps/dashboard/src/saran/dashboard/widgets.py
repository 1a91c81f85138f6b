"""What both pages are drawn with: item cards, a history, and the states in which there is nothing to show."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

import streamlit as st

from saran.client import ApiAway, ApiError
from saran.core.api_shapes import Card, PastEvent, RankedCard, RecommendedCard
from saran.core.entities import Action
from saran.dashboard import words
from saran.dashboard.moves import Moves
from saran.dashboard.standin import stand_in

C = TypeVar("C", bound=Card)

_URL_SAFE: Final = "%/:?#[]@!$&*+,;=~"
"""What stays as it is in an address inside url('…') inside an attribute: no quote, bracket or backslash."""

_VERBS: Final = {
    Action.VIEW: "viewed",
    Action.CLICK: "clicked",
    Action.ADD_TO_CART: "put into the cart",
    Action.PURCHASE: "bought",
    Action.RATE: "rated",
    Action.IMPRESSION: "was shown",
}


def pictures(card: Card, media_url: str) -> list[str]:
    """Addresses of an item's pictures, first choice first: its own, if it has one, and a drawn one.

    A path below /media/ is one of the API's, at `media_url`.
    """
    given = card.image_url or ""
    if given.startswith("/media/"):
        given = f"{media_url}{given}"
    own = [given] if urlsplit(given).scheme in {"http", "https"} else []
    return [*own, stand_in(card.item_id, card.title)]


def _background(addresses: list[str]) -> str:
    """CSS that shows the first picture that loads."""
    return ",".join(f"url('{quote(address, safe=_URL_SAFE)}')" for address in addresses)


def card_html(
    card: Card, media_url: str, *, moves: Moves | None = None, mark: str = "", facts: Sequence[str] | None = None
) -> str:
    """A card's upper part: picture with rank and move or `mark`, title, categories, price and score, or `facts`.

    All text is escaped.
    """
    name = html.escape(words.name(card), quote=True)
    link = card.url if card.url and urlsplit(card.url).scheme in {"http", "https"} else None
    title = f'<a href="{html.escape(link, quote=True)}" target="_blank" rel="noopener">{name}</a>' if link else name
    ranked = card if isinstance(card, RankedCard) else None
    rank = "" if ranked is None else f'<span class="saran-rank" title="rank">{ranked.rank}</span>'
    if facts is None:
        facts = [
            *([] if card.price is None else [f"price {card.price:,.2f}"]),
            *([] if ranked is None else [f"score {ranked.score:.3f}"]),
        ]
    corner = f'<span class="saran-move saran-mark">{html.escape(mark)}</span>' if mark else _move(card.item_id, moves)
    return (
        f'<article class="saran-card" aria-label="{name}">'
        f"{picture_html(card, media_url, rank + corner)}"
        f'<div class="saran-title" title="{name}">{title}</div>'
        f'<div class="saran-quiet saran-line">{html.escape(", ".join(card.categories)) or words.UNKNOWN}</div>'
        f'<div class="saran-quiet">{html.escape(" · ".join(facts))}</div>{_because(card)}</article>'
    )


def row_html(card: RankedCard, media_url: str, *, moves: Moves | None = None) -> str:
    """An item of a list as one row: picture, rank, title, score, move and why it is there. All text is escaped."""
    name = html.escape(words.name(card), quote=True)
    score = f'<span class="saran-quiet">score {card.score:.3f}</span>'
    return (
        f'<article class="saran-row" aria-label="{name}">{picture_html(card, media_url)}<div>'
        f'<div class="saran-row-title" title="{name}">{card.rank}. {name}</div>{score}{_move(card.item_id, moves)}'
        f"{_because(card)}</div></article>"
    )


def picture_html(card: Card, media_url: str, corners: str = "") -> str:
    """An item's picture; `corners` is HTML upon it."""
    return (
        f'<div class="saran-picture" style="background-image:{_background(pictures(card, media_url))}">{corners}</div>'
    )


def card_grid(
    where: str,
    cards: Sequence[C],
    drawn: Callable[[C], str],
    below: Callable[[C], None] | None = None,
) -> None:
    """Cards in rows as the width allows: `drawn` gives a card's HTML, `below` draws its buttons."""
    with st.container(key=f"cards-{where}"):
        for card in cards:
            with st.container(border=True, key=f"card-{where}-{card.item_id}"):
                st.html(drawn(card))
                if below is not None:
                    below(card)


def _because(card: Card) -> str:
    """The items of the history that brought the card here, the first with its part in the score."""
    causes = card.because if isinstance(card, RecommendedCard) else []
    if not causes:
        return ""
    names = [html.escape(words.name(cause), quote=True) for cause in causes]
    return f'<div class="saran-because" title="{" · ".join(names)}">because of <b>{names[0]}</b></div>'


def _move(item_id: str, moves: Moves | None) -> str:
    if moves is None:
        return ""
    if item_id in moves.new:
        return '<span class="saran-move saran-new">new</span>'
    step = moves.steps.get(item_id, 0)
    if step > 0:
        return f'<span class="saran-move saran-up" aria-label="up {step}">▲ {step}</span>'
    if step < 0:
        return f'<span class="saran-move saran-down" aria-label="down {-step}">▼ {-step}</span>'
    return ""


def history_html(events: Sequence[PastEvent], *, fresh: PastEvent | None = None) -> str:
    """A user's events as a list, in the order given; `fresh` is marked."""
    rows = "".join(
        f'<li class="{"saran-fresh" if event == fresh else ""}">'
        f'<div class="saran-what">{html.escape(words.name(event))}</div>'
        f'<div class="saran-quiet">{html.escape(deed(event))} · {words.moment(event.event_time)}</div></li>'
        for event in events
    )
    return f'<ol class="saran-history" aria-label="History, newest first">{rows}</ol>'


def deed(event: PastEvent) -> str:
    """What a user did, in words: `rated 4.5`, `clicked`."""
    verb = _VERBS[event.action]
    return f"{verb} {event.value:g}" if event.action == Action.RATE and event.value is not None else verb


def state(icon: str, title: str, text: str) -> None:
    """A page's state in which there is nothing to show yet: what it is, and what to do about it."""
    with st.container(border=True, horizontal_alignment="center"):
        st.markdown(f"### :material/{icon}: {title}", text_alignment="center")
        st.markdown(text, text_alignment="center")


def failure(error: ApiError) -> None:
    """The state of a page whose question the API could not answer."""
    title = "The API is away" if isinstance(error, ApiAway) else "The API could not answer"
    sentences = [f"{text[0].upper()}{text[1:]}." for text in (error.message, error.fix) if text]
    state("cloud_off", title, "\n\n".join(words.message(sentence) for sentence in sentences))
