"""The part of Funnel that tells who stopped at a step, each with a way to the user's lists."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import streamlit as st

from saran.core.analytics_shapes import FUNNEL_STEPS, FunnelRange, FunnelUser, FunnelUsers, FunnelUsersRange
from saran.dashboard import words
from saran.dashboard.answers import answered, no_figures
from saran.dashboard.connection import api
from saran.dashboard.tables import download

_ROWS: Final = 50
_STEPS: Final = {
    "view": "Only viewed",
    "click": "Clicked, no more",
    "cart": "In the cart, not bought",
    "purchase": "Bought",
}


def funnel_users(period: str, asked: FunnelRange) -> None:
    """Draw it, of the page's question."""
    st.subheader("Who came how far", anchor=False, help="By the furthest step of a user's views of an item in one hour")
    if asked.scope == "session":
        st.caption("Users are told of items: count items above.")
        return
    step = st.segmented_control(
        "Furthest step", list(FUNNEL_STEPS), default="cart", format_func=_STEPS.__getitem__, key="funnel.step",
        required=True, label_visibility="collapsed",
    )  # fmt: skip
    page = int(st.session_state.get(_page_key(period, asked, step), 1))
    question = FunnelUsersRange.model_validate(
        {
            **asked.model_dump(include={"from_", "category"}, by_alias=True),
            "step": step, "limit": _ROWS, "offset": _ROWS * (page - 1),
        }
    )  # fmt: skip
    key = (period, asked.category, step, page)
    answer = answered("funnel.users", key, lambda: api().funnel_users(question), draw_why=no_figures)
    if answer is None:
        return
    if not answer.users:
        st.caption("Nobody in this period.")
        return
    _table(answer)
    last = -(-answer.users // _ROWS)
    if last > 1:
        st.number_input("Page", 1, last, key=_page_key(period, asked, step), help=f"Of {last:,}", width=160)


def _page_key(period: str, asked: FunnelRange, step: str) -> str:
    return f"funnel.page.{period}.{asked.category}.{step}"


def _table(answer: FunnelUsers) -> None:
    rows = [user_row(one) for one in answer.rows]
    st.dataframe(
        rows,
        hide_index=True,
        alt=f"Users whose views came as far as {answer.step}, those of most entries first",
        column_config={"lists": st.column_config.LinkColumn("lists", display_text="For you")},
    )
    first = answer.offset + 1
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{first:,} to {answer.offset + len(rows):,} of {words.plural(answer.users, 'user')} with "
            f"{words.plural(answer.entries, 'entry', 'entries')}; an entry is a user's views of an item in one hour",
            width="content",
        )
        download("Download as CSV", f"funnel-{answer.step}-users", rows)


def user_row(user: FunnelUser) -> dict[str, Any]:
    """A row of the table, times in UTC."""
    return {
        "user": user.user_id,
        "entries": user.entries,
        "last view (UTC)": user.last_view.strftime("%Y-%m-%d %H:%M"),
        "item": user.last_item,
        "lists": f"for-you?{urlencode({'user': user.user_id})}",
    }
