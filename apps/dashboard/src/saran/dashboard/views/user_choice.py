"""The fields of "For you" that choose a user: any id, one with a history, or an invented one; and a search."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from saran.core.system_shapes import SuggestedUser
from saran.dashboard import words

# Keys of st.session_state.
USER: Final = "user"
_KNOWN: Final = "for_you.known"
_LAST_USER: Final = "for_you.last_user"


def choose(suggested: Sequence[SuggestedUser], *, on_change: Callable[[], None]) -> tuple[str, str]:
    """Draw the fields; returns the user's id and the text to search, both stripped.

    `on_change` is called when another user is chosen or invented, not when one is typed.
    """
    if USER not in st.session_state:
        st.session_state[USER] = st.query_params.get(USER, st.session_state.get(_LAST_USER, ""))
    if not st.session_state[USER].strip():
        st.session_state[USER] = _invented()
    person, known, invent, search = st.columns([1.2, 1.2, 0.9, 1.8], vertical_alignment="bottom")
    chosen = person.text_input(
        "User",
        key=USER,
        max_chars=256,
        icon=":material/person:",
        help="Any id works, known or not",
    )
    events = {one.user_id: one.history_events for one in suggested}
    known.selectbox(
        "Users with a history",
        list(events),
        index=None,
        key=_KNOWN,
        format_func=lambda one: f"{one} · {words.plural(events[one], 'event')}",
        on_change=_choose,
        args=(on_change,),
        placeholder="Choose one" if events else "None yet",
        disabled=not events,
        help="A few of those with the longest histories",
    )
    invent.button(
        "Invent a new user",
        on_click=_change_to,
        args=(None, on_change),
        icon=":material/person_add:",
        width="stretch",
        help="Someone nobody knows",
    )
    query = search.text_input(
        "Search titles",
        max_chars=200,
        placeholder="A title to begin from",
        icon=":material/search:",
        key="for_you.search",
    )
    user_id = (chosen or "").strip()
    # The field's own state ends when another page is opened; the address makes a list something to send to others.
    st.session_state[_LAST_USER] = st.query_params[USER] = user_id
    return user_id, (query or "").strip()


def _invented() -> str:
    return f"guest-{secrets.token_hex(3)}"


def _choose(on_change: Callable[[], None]) -> None:
    """Take the chosen user into the field, and leave the list ready for another choice."""
    if (chosen := st.session_state[_KNOWN]) is not None:
        _change_to(chosen, on_change)
    st.session_state[_KNOWN] = None


def _change_to(user_id: str | None, on_change: Callable[[], None]) -> None:
    """To a user, or to one that is invented."""
    st.session_state[USER] = user_id or _invented()
    on_change()
