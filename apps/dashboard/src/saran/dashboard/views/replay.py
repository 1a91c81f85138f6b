"""The part of Pipeline that sends refused records again, for who is signed in."""

from __future__ import annotations

from typing import Final

import streamlit as st

from saran.client import ApiError
from saran.core.pipeline_shapes import RejectedReason, RejectedRecord, RejectedRecords
from saran.core.replay_shapes import Correction, Replay, ReplayRequest
from saran.dashboard import access, words

# Keys of st.session_state.
_OUTCOME: Final = "replay.outcome"
_CUT: Final = "…"


def replay(found: RejectedRecords) -> None:
    """Draw it."""
    st.subheader("Replay", anchor=False, help="A record that is sent twice changes nothing: an event keeps its id")
    who = access.person()
    if who is None:
        st.caption(":material/lock: Sign in to send refused records again from here; `saran replay` does it too.")
        return
    _outcome()
    left, right = st.columns([1, 1.15], gap="large")
    with left:
        reason: RejectedReason = st.selectbox("All of a reason, as they are", found.reasons, format_func=_named)
        st.button(
            f"Replay {words.plural(reason.rows, 'record')}",
            key="replay-all",
            icon=":material/replay:",
            on_click=_send,
            args=(who, ReplayRequest(topic=reason.topic, reason=reason.reason)),
        )
        st.caption("They go in where a rule has changed since, or a time no longer lies ahead.")
    with right:
        record: RejectedRecord = st.selectbox(
            "One record, corrected", found.sample, format_func=lambda one: f"{one.topic} {one.offset} · {one.reason}"
        )
        raw = record.raw or ""
        cut = raw.endswith(_CUT)
        text = st.text_area(
            "What it should have said", raw, key=f"replay-{record.content_id}", disabled=cut, height=130
        )
        st.button(
            "Replay corrected",
            key="replay-one",
            icon=":material/edit:",
            disabled=cut,
            on_click=_send,
            args=(who, ReplayRequest(records=[Correction(content_id=record.content_id, value=text)])),
            help="It is longer than is shown here: `saran replay --corrected FILE` takes it whole" if cut else None,
        )


def _named(reason: RejectedReason) -> str:
    return f"{reason.topic} · {reason.reason} · {words.count(reason.rows)}"


def _send(who: access.Person, asked: ReplayRequest) -> None:
    try:
        with who.client() as client:
            st.session_state[_OUTCOME] = client.replay(asked)
    except ApiError as error:
        st.session_state[_OUTCOME] = error


def _outcome() -> None:
    """What became of the last replay."""
    done: Replay | ApiError | None = st.session_state.pop(_OUTCOME, None)
    if done is None:
        return
    if isinstance(done, ApiError):
        st.error(f"Nothing was replayed: {words.message(str(done))}", icon=":material/error:")
        return
    told = f"**{done.replayed:,} replayed, {done.refused:,} refused again**"
    if done.replayed:
        st.success(f"{told}. They are in the tables within seconds.", icon=":material/check:")
    else:
        st.warning(told, icon=":material/block:")
    if done.still_refused:
        st.dataframe(
            [{"reason": one.reason, "topic": one.topic, "record": one.content_id} for one in done.still_refused],
            hide_index=True,
            alt="Records that were refused again",
        )
