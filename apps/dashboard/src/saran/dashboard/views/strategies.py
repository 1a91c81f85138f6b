"""The part of "For you" that shows a user's list by each strategy side by side, and what each must not show."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Final

import streamlit as st

from saran.core.api_shapes import RankedCard, RecommendedCard
from saran.core.entities import Action
from saran.core.strategy_shapes import LeftOutCard, LeftOutReason, Strategies, StrategyList, StrategyName
from saran.dashboard import words
from saran.dashboard.connection import settings
from saran.dashboard.moves import moves
from saran.dashboard.tables import download
from saran.dashboard.widgets import row_html

NAMES: Final[Mapping[StrategyName, tuple[str, str]]] = {
    "blend": ("Blend", "Weighted sum of the parts' scores, each in standard deviations over all items"),
    "als": ("ALS", "Product of the user's factor, folded in from the history, and the item's"),
    "neighbours": ("Neighbours", "How near the items of the history are, by the users that they share"),
    "ease": ("EASE", "Sum of the learnt weights from the items of the history"),
    "content": ("Content", "How near the items of the history are in title, categories and description"),
    "popular": ("Popular", "1 through the place by how many users an item has"),
    "trending": ("Trending", "Rise of the last 24 hours against those before, in standard deviations"),
}
"""What each is called, and what its scores are."""

_REASONS: Final[Mapping[LeftOutReason, str]] = {
    "seen": "in the history",
    "bought": "bought",
    "excluded": "excluded",
    "condition": "not of the chosen categories",
    "alike": "too much like others",
}

Lists = dict[StrategyName, tuple[str, ...]]
"""Item ids of each strategy's list, best first."""


def shown(told: Strategies) -> Lists:
    """What the next click is compared with."""
    return {one.strategy: tuple(item.item_id for item in one.items) for one in told.lists}


def draw(told: Strategies, act: Callable[[RankedCard, Action], None], *, before: Lists, used: str | None) -> None:
    """Draw the lists beside each other; a row's button calls `act`.

    After an event on the item `used`, what moved against the lists `before` is marked.
    """
    with st.container(key="strategies"):
        for one in told.lists:
            with st.container(key=f"strategy-{one.strategy}"):
                _list(one, act, before.get(one.strategy) if used else None, used)
    download("Download as CSV", f"strategies-{told.user_id}", _rows(told.lists))


def _list(
    one: StrategyList, act: Callable[[RankedCard, Action], None], before: Sequence[str] | None, used: str | None
) -> None:
    name, meaning = NAMES[one.strategy]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(name, width="content", help=meaning)
        if one.served:
            st.badge("served", icon=":material/check:", color="green", help="The user's own list is made so")
    if one.source == "popular" and one.strategy != "popular":
        st.caption("Knows nothing of this history: what is popular")
    if not one.items:
        st.info(words.message(one.note or "None of its items is left."), icon=":material/inbox:")
    moved = None if before is None else moves(before, [item.item_id for item in one.items], used=used)
    for item in one.items:
        with st.container(
            horizontal=True, vertical_alignment="center", gap="xsmall", key=f"row-{one.strategy}-{item.item_id}"
        ):
            st.html(row_html(item, settings().api_public_url, moves=moved), width="stretch")
            st.button(
                "",
                key=f"click-{one.strategy}-{item.item_id}",
                on_click=act,
                args=(item, Action.CLICK),
                icon=":material/ads_click:",
                type="tertiary",
                width="content",
                help=f"Click {words.literal(words.name(item))}",
            )
    if one.left_out:
        with st.expander(f"{len(one.left_out)} of its best left out", icon=":material/filter_alt:"):
            rows = "".join(
                f'<li value="{left.rank}"><b>{html.escape(words.name(left))}</b> '
                f'<span class="saran-quiet">{_REASONS[left.reason]} · score {left.score:.3f}</span></li>'
                for left in one.left_out
            )
            st.html(f'<ol class="saran-left-out">{rows}</ol>')


def _rows(lists: Sequence[StrategyList]) -> list[dict[str, object]]:
    """Every item of every list, listed and left out, for a file."""
    return [row for one in lists for row in (*map(_row, repeat(one), one.items), *map(_row, repeat(one), one.left_out))]


def _row(one: StrategyList, item: RankedCard) -> dict[str, object]:
    causes = item.because if isinstance(item, RecommendedCard) else []
    return {
        "strategy": one.strategy,
        "rank": item.rank,
        "item_id": item.item_id,
        "title": item.title,
        "score": item.score,
        "because": " · ".join(words.name(cause) for cause in causes),
        "left_out": _REASONS[item.reason] if isinstance(item, LeftOutCard) else "",
    }
