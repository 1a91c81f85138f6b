"""The key figures of Dashboard: users, items, events, sessions, shares and revenue, each against the week before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import streamlit as st

from saran.client import ApiAway, ApiError
from saran.core.analytics_shapes import Bucket, BucketRange, Funnel, FunnelPoint, FunnelRange, Timeline, UserBehavior
from saran.core.names import Table
from saran.core.system_shapes import SystemMetrics
from saran.dashboard import words
from saran.dashboard.answers import answered, no_figures
from saran.dashboard.connection import api, known

REFRESH_SECONDS: Final = 10.0
WEEK: Final = timedelta(days=7)
_DAYS: Final = 14
_DAY: Final = timedelta(days=1)
_ACTIONS: Final = ("views", "clicks", "carts", "purchases", "rates")


@dataclass(frozen=True)
class KeyFigure:
    """A figure with its change since the week before, where both are known, and a value for each of the 14 days."""

    label: str
    value: str
    meaning: str
    change: str | None = None
    days: Sequence[float] = ()


@st.fragment(run_every=REFRESH_SECONDS)
def key_figures() -> None:
    """Draw them. While the API is away the page has said so already."""
    metrics = known()
    if metrics is None or metrics.as_of is None:
        return
    begin = _hour_end(metrics.as_of) - 2 * WEEK
    answer = answered("dashboard.figures", begin, lambda: _ask(begin), draw_why=_why)
    if answer is None:
        return
    behaviour, timeline, funnel = answer
    if behaviour.as_of < metrics.as_of:
        st.warning(
            f"Figures are as of {words.moment(behaviour.as_of)}, and silver has events up to "
            f"{words.moment(metrics.as_of)}: the stream of trends has yet to take them in.",
            icon=":material/history:",
        )
    with st.container(key="key-figures"):
        for one in figures(metrics, behaviour, timeline, funnel):
            st.metric(
                one.label,
                one.value,
                delta=one.change,
                delta_color="normal" if one.change and one.change[0] in "+-" else "off",
                delta_arrow="auto" if one.change and one.change[0] in "+-" else "off",
                help=one.meaning,
                border=True,
                height="stretch",
                chart_data=one.days if any(one.days) else None,
                chart_type="bar",
            )
    st.caption(
        f"The 7 days up to the newest event, {words.moment(behaviour.as_of)}, and their change from the 7 before; bars "
        f"are the last {_DAYS} times 24 hours"
    )


def _ask(begin: datetime) -> tuple[UserBehavior, Timeline, Funnel]:
    asked = {"from": begin, "bucket": Bucket.HOUR}
    return (
        api().user_behavior(),
        api().timeline(BucketRange.model_validate(asked)),
        api().funnel(FunnelRange.model_validate(asked)),
    )


def _why(error: ApiError) -> None:
    if not isinstance(error, ApiAway):
        no_figures(error)


def figures(metrics: SystemMetrics, behaviour: UserBehavior, timeline: Timeline, funnel: Funnel) -> list[KeyFigure]:
    """Those that the data has; a share, or revenue, where one of the two weeks has what it is made of."""
    span = _Span(_hour_end(behaviour.as_of), timeline.from_)
    events = span.days(
        [(one.start, float(sum(getattr(one, action) for action in _ACTIONS))) for one in timeline.points]
    )
    revenue = [(one.start, one.revenue) for one in timeline.points if one.revenue is not None]
    items = metrics.tables.get(Table.SILVER_ITEMS)
    active = behaviour.active_users
    found = [
        KeyFigure(
            "Users", words.count(behaviour.total_users), "With an event, ever; below those with one in the 7 days",
            f"{active.week:,} in 7 days",
        ),
        KeyFigure("Items", words.count(items.rows if items else None), "In the catalogue"),
        KeyFigure(
            "Events", words.rate(behaviour.real_time_metrics.events_per_second),
            "A second, in the five minutes up to the newest event, by event time; the change is of 7 days",
            span.growth(events), events,
        ),
        KeyFigure(
            "Active sessions", words.count(behaviour.active_sessions),
            "With an event in the half hour up to the newest one",
        ),
    ]  # fmt: skip
    for label, steps, meaning in (
        ("Click-through", lambda one: one.clicked, "Views that a click followed, of all views of 7 days"),
        (
            "Conversion",
            lambda one: one.purchased,
            "Views that a purchase followed within a day, of all views of 7 days",
        ),
    ):
        if (share := _share(label, span, funnel.points, steps, meaning)) is not None:
            found.append(share)
    if revenue:
        days = span.days(revenue)
        now = sum(days[_DAYS // 2 :])
        meaning = "Of the purchases of 7 days whose amount is known, in the data's currency"
        found.append(KeyFigure("Revenue", f"{now:,.2f}", meaning, span.growth(days), days))
    return found


def _share(
    label: str, span: _Span, points: Sequence[FunnelPoint], steps: Callable[[FunnelPoint], int], meaning: str
) -> KeyFigure | None:
    """A step's share of views; None where nobody took it, as where the data has no such action."""
    done = span.days([(one.start, float(steps(one))) for one in points])
    viewed = span.days([(one.start, float(one.viewed)) for one in points])
    half = _DAYS // 2
    if not any(done):
        return None
    before, now = (
        sum(done[part]) / sum(viewed[part]) if sum(viewed[part]) else None
        for part in (slice(None, half), slice(half, None))
    )
    change = f"{100 * (now - before):+.2f} points" if None not in {now, before} and span.whole else None  # type: ignore[operator]
    days = [part / whole if whole else 0.0 for part, whole in zip(done, viewed, strict=True)]
    return KeyFigure(label, words.UNKNOWN if now is None else f"{now:.2%}", meaning, change, days)


@dataclass(frozen=True)
class _Span:
    """Two weeks up to `end`; the first is known whole where the data begins before it."""

    end: datetime
    first: datetime

    @property
    def whole(self) -> bool:
        return self.first <= self.end - 2 * WEEK

    def days(self, values: Sequence[tuple[datetime, float]]) -> list[float]:
        """The sum of each 24 hours, oldest first."""
        sums = [0.0] * _DAYS
        for start, value in values:
            place = (start - (self.end - 2 * WEEK)) // _DAY
            if 0 <= place < _DAYS:
                sums[place] += value
        return sums

    def growth(self, days: Sequence[float]) -> str | None:
        before, now = sum(days[: _DAYS // 2]), sum(days[_DAYS // 2 :])
        return words.change(now / before - 1) if self.whole and before else None


def _hour_end(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
