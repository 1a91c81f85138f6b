"""Who is signed in, by a key of the API that has the scope `admin`; without one the dashboard changes nothing.

The API itself decides: what is changed is asked with the person's own key. It is kept in the memory of this process
until the person signs out or closes the page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import streamlit as st

from saran.client import ApiError, Client
from saran.dashboard import words
from saran.dashboard.connection import settings

ROLE: Final = "admin"

_UNKNOWN: Final = 401
_OPEN: Final = (
    "This API asks for no key, so nobody can sign in. `saran api-key NAME --scopes admin --file KEYS` makes one; start "
    "the API with `SARAN_API_KEYS=KEYS`."
)

# Keys of st.session_state.
_PERSON: Final = "access.person"
_FIELD: Final = "access.key"
_REFUSED: Final = "access.refused"


@dataclass(frozen=True)
class Person:
    """Who may change things."""

    name: str
    key: str = field(repr=False)

    def client(self) -> Client:
        """The API, asked with the person's key; to be closed."""
        return Client(settings().api_url, key=self.key, retries=0)


def person() -> Person | None:
    """Who is signed in on this page."""
    found: Person | None = st.session_state.get(_PERSON)
    return found


def sign_in(key: str) -> Person | str:
    """Who has the key, or why nobody is signed in by it."""
    try:
        with Client(settings().api_url, key=key, retries=0) as client:
            told = client.whoami()
    except ApiError as error:
        return "The API knows no such key." if error.status == _UNKNOWN else words.message(str(error))
    if not told.keys or told.name is None:
        return _OPEN
    if ROLE not in told.scopes:
        return f"The key of {words.literal(told.name)} may not change anything: it has no scope `{ROLE}`."
    return Person(told.name, key)


def draw() -> None:
    """At the sidebar's end: who is signed in, or where to sign in."""
    found = person()
    with st.sidebar:
        if found is not None:
            st.caption(f":material/lock_open: {words.literal(found.name)}, {ROLE}")
            st.button("Sign out", key="sign-out", on_click=_sign_out, type="tertiary")
            return
        with st.expander("Sign in", icon=":material/lock:", expanded=_REFUSED in st.session_state):
            with st.form("sign-in-form", border=False):
                st.text_input("Key", type="password", key=_FIELD, help=f"A key of the API with the scope {ROLE}")
                st.form_submit_button("Sign in", key="sign-in", on_click=_sign_in, width="stretch")
            if (why := st.session_state.pop(_REFUSED, None)) is not None:
                st.warning(why, icon=":material/lock:")
            st.caption("Without it this page only reads.")


def _sign_in() -> None:
    key = st.session_state.get(_FIELD, "").strip()
    found = sign_in(key) if key else "Type a key."
    st.session_state[_FIELD] = ""
    st.session_state[_REFUSED if isinstance(found, str) else _PERSON] = found


def _sign_out() -> None:
    st.session_state.pop(_PERSON, None)
