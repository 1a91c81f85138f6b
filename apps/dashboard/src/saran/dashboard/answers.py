"""What the API answered a page, and what the page shows when it does not."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import streamlit as st

from saran.client import ApiAway, ApiError
from saran.dashboard import words
from saran.dashboard.widgets import failure, state

_KEPT: Final = "answers"
"""Key of st.session_state: by page the last answer."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Kept:
    question: Hashable
    answer: Any
    at: datetime


def answered(
    page: str, question: Hashable, ask: Callable[[], T], *, draw_why: Callable[[ApiError], None] | None = None
) -> T | None:
    """The answer of `ask`. When the API is away, the last one to this question, called stale; else None and why.

    One answer a page is kept, for the person who looks at it. `draw_why` draws why there is none, `refused` otherwise.
    """
    kept: dict[str, _Kept] = st.session_state.setdefault(_KEPT, {})
    try:
        answer = ask()
    except ApiError as error:
        last = kept.get(page)
        (draw_why or refused)(error)
        if not isinstance(error, ApiAway) or last is None or last.question != question:
            return None
        st.warning(stale(last.at), icon=":material/history:")
        found: T = last.answer
        return found
    kept[page] = _Kept(question, answer, datetime.now(UTC))
    return answer


def stale(then: datetime) -> str:
    """What is said above figures that are not of now."""
    return f"What follows is **stale**: the last answer, {words.ago(then, datetime.now(UTC))} ({words.moment(then)})."


def refused(error: ApiError) -> None:
    """Draw why there is no answer; before the first training that is no failure."""
    if isinstance(error, ApiAway) or error.status != 503:
        failure(error)
        return
    state(
        "model_training", "No model yet", f"{words.message(error.message)}\n\nTrain the first one with `saran train`."
    )


def no_figures(error: ApiError) -> None:
    """Draw why a page of analytics has no answer; before the first events that is no failure."""
    if isinstance(error, ApiAway) or error.status != 503:
        failure(error)
        return
    state("query_stats", "No figures", words.message(f"{error.message[0].upper()}{error.message[1:]}"))
