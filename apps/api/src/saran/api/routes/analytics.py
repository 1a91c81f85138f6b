"""What users do, over time: figures of the data up to its newest event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Query

from saran.api.lake_rows import RowsAwayError
from saran.api.problem import Problem, invalid
from saran.api.silver_events import AFTER, MOST_EVENTS
from saran.api.state import State, state_of
from saran.api.trends_reader import (
    ACTIONS,
    COUNTS,
    MOST_BUCKETS,
    Figures,
    FiguresAwayError,
    NoFiguresError,
    Row,
    Span,
    TooManyBucketsError,
)
from saran.core.analytics_shapes import (
    ActiveUsers,
    Bucket,
    BucketRange,
    CategoryRange,
    CategoryTrend,
    Cohort,
    Funnel,
    FunnelPoint,
    FunnelRange,
    FunnelSteps,
    FunnelUser,
    FunnelUsers,
    FunnelUsersRange,
    HeatCell,
    Heatmap,
    HourOfDay,
    RealTime,
    Retention,
    RetentionRange,
    Timeline,
    TimelinePoint,
    Trends,
    TrendsRange,
    UserBehavior,
)

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    422: {"description": "A parameter is wrong, or the range has too many buckets or events"},
    503: {"description": "There are no figures yet, or PostgreSQL or the lakehouse, which have them, are away"},
}
router = APIRouter(prefix="/analytics", tags=["analytics"], responses=_PROBLEMS)

_RETRY_SECONDS: Final = 5
_RECENT_SECONDS: Final = 300
StateOf = Annotated[State, Depends(state_of)]
T = TypeVar("T")


@router.get("/user_behavior", summary="Users, sessions, funnel, hours and speed at a glance")
async def user_behavior(state: StateOf, asked: Annotated[CategoryRange, Query()]) -> UserBehavior:
    """Totals of all data, and what users did in a range, in one answer."""
    rate = state.list_rate.per_minute()

    def answer(figures: Figures) -> UserBehavior:
        span, now = figures.span(asked), figures.state
        (total,) = figures.funnel(span, "item", asked.category)
        hours = figures.hours_of_week(span, asked.category)
        steps = _steps(total)
        return UserBehavior(
            **_of(figures, span, asked.category),
            total_users=now["users"],
            active_users=ActiveUsers(day=now["users_day"], week=now["users_week"], month=now["users_month"]),
            active_sessions=now["active_sessions"],
            funnel=steps,
            conversion_rate=steps.purchase_rate,
            actions_by_hour=[
                HourOfDay(
                    hour=hour,
                    **{name: sum(row[name] for (_, at), row in hours.items() if at == hour) for name in ACTIONS},
                )
                for hour in range(24)
            ],
            real_time_metrics=RealTime(
                events_per_second=now["recent_events"] / _RECENT_SECONDS, recommendations_per_minute=rate
            ),
        )

    return await figures_of(state, answer)


@router.get("/funnel", summary="View, click, cart, purchase")
async def funnel(state: StateOf, asked: Annotated[FunnelRange, Query()]) -> Funnel:
    """A step counts for the last view before it by the same user of the same item, up to a day; or in the session."""

    def answer(figures: Figures) -> Funnel:
        span = figures.span(asked)
        (total,) = figures.funnel(span, asked.scope, asked.category)
        points = []
        if asked.bucket is not None:
            figures.buckets(span, asked.bucket)  # not more than an answer holds
            points = [
                FunnelPoint(start=row["start"], **_steps(row).model_dump())
                for row in figures.funnel(span, asked.scope, asked.category, asked.bucket)
            ]
        return Funnel(
            **_of(figures, span, asked.category),
            scope=asked.scope,
            bucket=asked.bucket,
            total=_steps(total),
            points=points,
        )

    return await figures_of(state, answer)


@router.get("/funnel/users", summary="Who stopped at a step of the funnel")
async def funnel_users(state: StateOf, asked: Annotated[FunnelUsersRange, Query()]) -> FunnelUsers:
    """Of scope `item`: entries, each a user's views of an item in one hour, by the furthest step that counts for one.

    From silver as it is now, for a time of at most a million events.
    """

    def answer(figures: Figures) -> tuple[Span, dict[str, Any]]:
        span = figures.span(asked)
        return _readable(figures, span, span.end + AFTER), _of(figures, span, asked.category)

    span, told = await figures_of(state, answer)
    found = (0, 0, list[FunnelUser]())
    if span.covered:
        found = await _silver(
            state.silver.stopped(span, asked.category, asked.step, offset=asked.offset, limit=asked.limit)
        )
    users, entries, rows = found
    return FunnelUsers(**told, step=asked.step, users=users, entries=entries, rows=rows, offset=asked.offset)


@router.get("/timeline", summary="Events and revenue over time")
async def timeline(state: StateOf, asked: Annotated[BucketRange, Query()]) -> Timeline:
    """Every bucket of the range that the data reaches. An item of several categories counts in each."""

    by_minute = asked.bucket is Bucket.MINUTE

    def answer(figures: Figures) -> tuple[Span, list[datetime], dict[datetime, Row], dict[str, Any]]:
        span = figures.span(asked)
        starts = figures.buckets(span, asked.bucket)
        if by_minute:
            _readable(figures, span, span.end)
        found = {} if by_minute else figures.counts(span, asked.bucket, asked.category)
        return span, starts, found, _of(figures, span, asked.category)

    span, starts, found, told = await figures_of(state, answer)
    if by_minute and starts:
        found = await _silver(state.silver.minutes(span, asked.category))
    none = dict.fromkeys(COUNTS, 0)
    points = [TimelinePoint(start=start, **_counts(found.get(start, none))) for start in starts]
    return Timeline(**told, bucket=asked.bucket, points=points)


@router.get("/heatmap", summary="Events by weekday and hour")
async def heatmap(state: StateOf, asked: Annotated[CategoryRange, Query()]) -> Heatmap:
    """All weeks of the range laid over each other, in UTC."""

    def answer(figures: Figures) -> Heatmap:
        span = figures.span(asked)
        found = figures.hours_of_week(span, asked.category)
        return Heatmap(
            **_of(figures, span, asked.category),
            cells=[
                _cell(span, weekday, hour, found.get((weekday, hour), {}), users=asked.category is None)
                for weekday in range(1, 8)
                for hour in range(24)
            ],
        )

    return await figures_of(state, answer)


@router.get("/trends", summary="Categories over time, and their growth")
async def trends(state: StateOf, asked: Annotated[TrendsRange, Query()]) -> Trends:
    """Growth is against the time of the same length just before the range."""

    def answer(figures: Figures) -> Trends:
        span = figures.span(asked)
        starts = figures.buckets(span, asked.bucket)
        rows = figures.categories(span, asked.category, asked.limit)
        series = figures.series(span, asked.bucket, [row["key"] for row in rows])
        return Trends(
            **_of(figures, span, asked.category),
            bucket=asked.bucket,
            buckets=starts,
            categories=[
                CategoryTrend(
                    category=row["key"],
                    interest=row["interest"],
                    interest_before=row["before"],
                    growth_rate=growth(row),
                    trend_score=row["score"],
                    series=[series.get((row["key"], start), 0.0) for start in starts],
                    **_counts(row),
                )
                for row in rows
            ],
        )

    return await figures_of(state, answer)


@router.get("/retention", summary="How many users come again")
async def retention(state: StateOf, asked: Annotated[RetentionRange, Query()]) -> Retention:
    """By the bucket of a user's first event, of any action. A bucket that `from` or `to` cuts counts whole."""

    def answer(figures: Figures) -> Retention:
        span = figures.span(asked)
        figures.buckets(span, asked.bucket)  # not more than an answer holds
        return Retention(
            **_when(figures, span),
            bucket=asked.bucket,
            cohorts=[
                Cohort(
                    start=row["start"],
                    users=row["retained"][0],
                    retained=row["retained"],
                    rates=[users / row["retained"][0] for users in row["retained"]],
                )
                for row in figures.retention(span, asked.bucket)
            ],
        )

    return await figures_of(state, answer)


async def figures_of(state: State, question: Callable[[Figures], T]) -> T:
    """The answer. Raises Problem: 503 with cause and fix, 422 for too many buckets."""
    try:
        return await state.trends.ask(question)
    except TooManyBucketsError:
        reason = f"makes more than {MOST_BUCKETS} buckets of that time: ask for a larger one, or for less time"
        raise invalid([(("query", "bucket"), reason)]) from None
    except FiguresAwayError as error:
        raise Problem(
            503,
            f"PostgreSQL, which has the figures, does not answer ({error}): see /health, and start it with `saran up`",
            retry_after=_RETRY_SECONDS,
        ) from None
    except NoFiguresError:
        raise Problem(503, NO_FIGURES, retry_after=_RETRY_SECONDS) from None


def _readable(figures: Figures, span: Span, end: datetime) -> Span:
    """The span. Raises Problem 422 when silver has too many events of it, up to `end`, to read for one answer."""
    if (events := figures.events(span.begin, end)) > MOST_EVENTS:
        reason = f"begins a time of {events:,} events, and an answer reads {MOST_EVENTS:,}: ask for less time"
        raise invalid([(("query", "from"), reason)])
    return span


async def _silver(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except RowsAwayError as error:
        raise Problem(503, f"silver cannot be read ({error})", retry_after=_RETRY_SECONDS) from error


NO_FIGURES: Final = (
    "there are no figures yet: the streams make them seconds after events reach silver. Send events with `saran load` "
    "or POST /stream/events, and see by `saran status` that the streams run"
)


def growth(row: Row) -> float | None:
    """Of `interest` against `before`, None where there was nothing before."""
    return row["interest"] / row["before"] - 1 if row["before"] else None


def _of(figures: Figures, span: Span, category: str | None) -> dict[str, Any]:
    return {**_when(figures, span), "category": category}


def _when(figures: Figures, span: Span) -> dict[str, Any]:
    return {"as_of": figures.as_of, "from": span.begin, "to": span.end}


def _counts(row: Row) -> dict[str, Any]:
    revenue = row["revenue_cents"] / 100 if row["priced"] else None
    return {**{name: row[name] for name in ACTIONS}, "revenue": revenue, "priced": row["priced"]}


def _steps(row: Row) -> FunnelSteps:
    return FunnelSteps(
        viewed=row["viewed"],
        clicked=row["clicked"],
        carted=row["carted"],
        purchased=row["purchased"],
        cart_rate=_ratio(row["carted"], row["viewed"]),
        purchase_rate=_ratio(row["purchased"], row["viewed"]),
        cart_to_purchase=_ratio(row["purchased"], row["carted"]),
        seconds_to_cart=_ratio(row["cart_ms"] / 1000, row["carted"]),
        seconds_to_purchase=_ratio(row["purchase_ms"] / 1000, row["purchased"]),
    )


def _ratio(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _cell(span: Span, weekday: int, hour: int, row: Row, *, users: bool) -> HeatCell:
    ahead = ((weekday - 1) * 24 + hour - span.begin.weekday() * 24 - span.begin.hour) % 168
    hours = (span.hours - ahead + 167) // 168 if span.covered else 0
    return HeatCell(
        weekday=weekday,
        hour=hour,
        hours=hours,
        events=sum(row.get(name, 0) for name in ACTIONS),
        views=row.get("views", 0),
        purchases=row.get("purchases", 0),
        users_mean=_ratio(row.get("users", 0), hours) if users else None,
    )
