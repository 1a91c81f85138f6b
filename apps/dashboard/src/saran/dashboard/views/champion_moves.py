"""The part of Models that tells how champions followed each other, and moves them for who is signed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Final

import streamlit as st

from saran.client import ApiError, Client
from saran.core.model_shapes import ChampionMoved, ModelVersions
from saran.dashboard import access, words

# Key of st.session_state.
_OUTCOME: Final = "models.moved"


def champion_moves(model: ModelVersions, version: str) -> None:
    """Draw it; `version` is the one that is looked at."""
    st.subheader("Champions", anchor=False)
    _outcome()
    who = access.person()
    if who is None:
        st.caption(
            ":material/lock: Sign in to move it from here; `saran models promote VERSION` and `saran models rollback` "
            "do it too."
        )
    else:
        _buttons(who, model, version)
    if not model.moves:
        return
    st.dataframe(
        [
            {
                "since (UTC)": move.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M"), "version": move.version,
                "by": move.kind, "why": move.why,
            }
            for move in reversed(model.moves)
        ],
        hide_index=True,
        alt="How the champions followed each other, newest first",
    )  # fmt: skip


def _buttons(who: access.Person, model: ModelVersions, version: str) -> None:
    name, previous = model.name, model.previous
    with st.container(horizontal=True, gap="small"):
        st.button(
            "It is the champion" if version == model.champion else f"Promote {words.literal(version)}",
            key="promote",
            icon=":material/trophy:",
            disabled=version == model.champion,
            on_click=_order,
            args=(who, lambda client: client.promote(name, version)),
            help="The version that is chosen above is checked, and served within seconds; no request fails meanwhile",
        )
        st.button(
            "Nothing to roll back to" if previous is None else f"Roll back to {words.literal(previous)}",
            key="rollback",
            icon=":material/undo:",
            disabled=previous is None,
            on_click=_order,
            args=(who, lambda client: client.roll_back(name)),
            help="The champion before this one is served again; once more, the one before that",
        )


def _order(who: access.Person, order: Callable[[Client], ChampionMoved]) -> None:
    try:
        with who.client() as client:
            st.session_state[_OUTCOME] = order(client)
    except ApiError as error:
        st.session_state[_OUTCOME] = error


def _outcome() -> None:
    """What became of the last order."""
    done: ChampionMoved | ApiError | None = st.session_state.pop(_OUTCOME, None)
    if isinstance(done, ApiError):
        st.error(f"The champion was not moved: {words.message(str(done))}", icon=":material/error:")
    elif done is not None:
        before = "" if done.before in {None, done.champion} else f" in place of {words.literal(done.before or '')}"
        st.success(
            f"**{words.literal(done.champion)} is the champion of {words.literal(done.model)}**{before}. "
            f"The API serves it within seconds. {words.message(done.note)}",
            icon=":material/check:",
        )
