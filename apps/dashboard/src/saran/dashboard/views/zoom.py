"""How far the timeline is zoomed in: from a bucket to the finer ones that it is made of, down to minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import streamlit as st

from saran.core.analytics_shapes import Bucket, Timeline
from saran.dashboard import words

_FINER: Final = {
    Bucket.MONTH: Bucket.DAY,
    Bucket.WEEK: Bucket.DAY,
    Bucket.DAY: Bucket.HOUR,
    Bucket.HOUR: Bucket.MINUTE,
}
_LENGTHS: Final = {Bucket.WEEK: timedelta(days=7), Bucket.DAY: timedelta(days=1), Bucket.HOUR: timedelta(hours=1)}

# Keys of st.session_state.
_STACK: Final = "timeline.zoom"
_CHOSEN: Final = "timeline.into"


@dataclass(frozen=True)
class Window:
    """[begin, end), in buckets."""

    begin: datetime
    end: datetime
    bucket: Bucket


def inside(start: datetime, bucket: Bucket) -> Window:
    """What a bucket is made of. Minutes are made of nothing finer."""
    if bucket is Bucket.MONTH:
        end = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    else:
        end = start + _LENGTHS[bucket]
    return Window(start, end, _FINER[bucket])


def zoomed() -> Window | None:
    """The window that is looked into, None at the widest."""
    stack: list[Window] = st.session_state.get(_STACK, [])
    return stack[-1] if stack else None


def reset() -> None:
    """Back to the widest, as another period is chosen."""
    st.session_state.pop(_STACK, None)


def draw(answer: Timeline, events: Sequence[int]) -> None:
    """Draw the ways in, to a bucket with events, and out; `events` are those of each of the answer's points."""
    held = [one.start for one, count in zip(answer.points, events, strict=True) if count]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if answer.bucket in _FINER:
            finer = _FINER[answer.bucket]
            st.selectbox(
                f"Look into one {answer.bucket}",
                held,
                index=None,
                format_func=words.moment,
                placeholder=f"by {finer}",
                key=(key := f"{_CHOSEN}.{len(st.session_state.get(_STACK, []))}"),
                on_change=_into,
                args=(key, answer.bucket),
                width=280,
            )
        if zoomed() is not None:
            st.button("Zoom out", key="timeline.out", icon=":material/zoom_out:", on_click=_out)


def _into(key: str, bucket: Bucket) -> None:
    chosen: datetime | None = st.session_state[key]
    if chosen is not None:
        st.session_state.setdefault(_STACK, []).append(inside(chosen, bucket))


def _out() -> None:
    st.session_state[_STACK].pop()
