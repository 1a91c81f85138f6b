"""Figures that the double of the API answers analytics with, and its routes for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from saran.core.analytics_shapes import (
    ActiveUsers,
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
    Range,
    RealTime,
    Retention,
    RetentionRange,
    Timeline,
    TimelinePoint,
    Trending,
    TrendingCard,
    Trends,
    TrendsRange,
    TrendWindow,
    UserBehavior,
)
from saran.core.recommender import Recommender

AS_OF = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
"""A Monday."""

_COUNTS = {"views": 0, "clicks": 0, "carts": 0, "purchases": 0, "rates": 0, "impressions": 0}
_REASON = "there are no figures yet: the streams make them. Send events with `saran load`"


@dataclass
class Figures:
    """What the routes answer with, whatever the range; `asked` holds the questions."""

    movers: list[TrendingCard]
    trends: list[CategoryTrend]
    funnels: dict[str, FunnelSteps]
    """By scope."""

    funnel_points: list[FunnelPoint]
    timeline: list[TimelinePoint]
    cells: list[HeatCell]
    stopped: dict[str, list[FunnelUser]] = field(default_factory=dict)
    """By the furthest step."""

    cohorts: list[Cohort] = field(default_factory=list)
    begins: datetime | None = None
    """The time of the first event, which answers do not reach behind."""

    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def of(self, route: str, question: Range) -> dict[str, Any]:
        """What every answer says of its range; the question is kept."""
        self.asked.append((route, question.model_dump(exclude_none=True, by_alias=True)))
        begin = max(question.from_ or AS_OF - timedelta(days=30), self.begins or datetime.min.replace(tzinfo=UTC))
        return {"as_of": AS_OF, "from": begin, "to": AS_OF, "category": getattr(question, "category", None)}


class Holder(Protocol):
    """Whoever has figures, or none before the first events, and items, with a model or without."""

    figures: Figures | None
    items: list[dict[str, Any]]
    recommender: Recommender | None


def _unavailable(why: str) -> JSONResponse:
    body = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": why}
    return JSONResponse(body, 503, media_type="application/problem+json")


def counts(**given: float | None) -> dict[str, Any]:
    """Events by action; those not given are none."""
    return {**_COUNTS, "revenue": None, "priced": 0, **given}


def steps(viewed: int, clicked: int, carted: int, purchased: int) -> dict[str, Any]:
    """A funnel; carts come two minutes after the view, purchases an hour."""
    return {
        "viewed": viewed, "clicked": clicked, "carted": carted, "purchased": purchased,
        "cart_rate": carted / viewed if viewed else None, "purchase_rate": purchased / viewed if viewed else None,
        "cart_to_purchase": purchased / carted if carted else None, "seconds_to_cart": 120.0 if carted else None,
        "seconds_to_purchase": 3600.0 if purchased else None,
    }  # fmt: skip


def some_figures() -> Figures:
    """Two movers and two categories."""
    return Figures(
        movers=[
            TrendingCard(
                item_id="a1", title="Ronin (1991)", categories=["Crime"], rank=1, trend_score=4.2, views_today=1,
                interest=30.0, growth_rate=1.5,
            ),
            TrendingCard(
                item_id="b0", title="Up (1990)", categories=["Animation"], rank=2, trend_score=2.0, views_today=7,
                interest=4.0, growth_rate=None,
            ),
        ],
        trends=[
            CategoryTrend(
                category="Crime", interest=40.0, interest_before=32.0, growth_rate=0.25, trend_score=0.94,
                series=[10.0, 30.0], **counts(views=35, purchases=1, revenue=12.5, priced=1),
            ),
            CategoryTrend(
                category="Animation", interest=4.0, interest_before=0.0, growth_rate=None, trend_score=2.0,
                series=[0.0, 4.0], **counts(views=4),
            ),
        ],
        funnels={"item": FunnelSteps(**steps(2000, 1200, 80, 20)), "session": FunnelSteps(**steps(500, 300, 50, 20))},
        funnel_points=[
            FunnelPoint(start=AS_OF.replace(day=day, hour=0, minute=0, second=0), **steps(1000, 600, carted, 10))
            for day, carted in ((3, 30), (4, 50))
        ],
        timeline=[
            TimelinePoint(start=AS_OF.replace(day=3, hour=0, minute=0, second=0), **counts(views=1500, carts=3)),
            TimelinePoint(
                start=AS_OF.replace(day=4, hour=0, minute=0, second=0),
                **counts(views=500, purchases=2, revenue=25.5, priced=2),
            ),
        ],
        stopped={
            "cart": [
                FunnelUser(user_id=f"u {n}", entries=100 - n, last_view=AS_OF - timedelta(minutes=n), last_item="a1")
                for n in range(60)
            ]
        },
        cohorts=[
            Cohort(start=AS_OF - timedelta(days=14), users=100, retained=[100, 40, 25], rates=[1.0, 0.4, 0.25]),
            Cohort(start=AS_OF - timedelta(days=7), users=60, retained=[60, 30], rates=[1.0, 0.5]),
        ],
        cells=[
            HeatCell(
                weekday=weekday, hour=hour, hours=4, events=weekday * 100 + hour, views=weekday, purchases=1,
                users_mean=weekday + hour / 4,
            )
            for weekday in range(1, 8)
            for hour in range(24)
        ],
    )  # fmt: skip


def routes(held: Holder) -> APIRouter:
    """The routes of analytics over what is held."""
    router = APIRouter()

    def answer(shape: type[BaseModel], route: str, asked: Range, **more: Any) -> Any:
        if held.figures is None:
            return _unavailable(_REASON)
        return shape.model_validate({**held.figures.of(route, asked), **more})

    @router.get("/recommendations/trending")
    def trending(limit: int = 10, category: str | None = None, window: TrendWindow = TrendWindow.DAY) -> Any:
        if held.figures is not None:
            items = _movers(held.figures, category, window, limit)
            return Trending(source="trending", as_of=AS_OF, window=window, model_version="v7", items=items)
        if held.recommender is None:
            return _unavailable("no model has been trained yet")
        none = dict.fromkeys(("trend_score", "views_today", "interest", "growth_rate"))
        items = [
            TrendingCard.model_validate({**one, "rank": rank, **none})
            for rank, one in enumerate(held.items[:limit], start=1)
        ]
        return Trending(source="popular", as_of=None, window=window, model_version="v7", items=items, note=_REASON)

    @router.get("/analytics/trends")
    def trends(asked: Annotated[TrendsRange, Query()]) -> Any:
        rows = held.figures.trends if held.figures else []
        chosen = [one for one in rows if asked.category in {None, one.category}][: asked.limit]
        buckets = [AS_OF.replace(hour=hour, minute=0, second=0) for hour in (2, 3)]
        return answer(Trends, "trends", asked, bucket=asked.bucket, buckets=buckets, categories=chosen)

    @router.get("/analytics/funnel")
    def funnel(asked: Annotated[FunnelRange, Query()]) -> Any:
        total = held.figures.funnels[asked.scope] if held.figures else None
        points = held.figures.funnel_points if held.figures and asked.bucket else []
        return answer(Funnel, "funnel", asked, scope=asked.scope, bucket=asked.bucket, total=total, points=points)

    @router.get("/analytics/funnel/users")
    def funnel_users(asked: Annotated[FunnelUsersRange, Query()]) -> Any:
        every = held.figures.stopped.get(asked.step, []) if held.figures else []
        rows = every[asked.offset : asked.offset + asked.limit]
        return answer(
            FunnelUsers, "funnel/users", asked, step=asked.step, users=len(every), offset=asked.offset, rows=rows,
            entries=sum(one.entries for one in every),
        )  # fmt: skip

    @router.get("/analytics/timeline")
    def timeline(asked: Annotated[BucketRange, Query()]) -> Any:
        points = held.figures.timeline if held.figures else []
        if asked.from_ is not None and asked.to is not None:  # looked into
            points = [one.model_copy(update={"start": asked.from_}) for one in points[-1:]]
        return answer(Timeline, "timeline", asked, bucket=asked.bucket, points=points)

    @router.get("/analytics/heatmap")
    def heatmap(asked: Annotated[CategoryRange, Query()]) -> Any:
        return answer(Heatmap, "heatmap", asked, cells=held.figures.cells if held.figures else [])

    @router.get("/analytics/retention")
    def retention(asked: Annotated[RetentionRange, Query()]) -> Any:
        return answer(
            Retention, "retention", asked, bucket=asked.bucket, cohorts=held.figures.cohorts if held.figures else []
        )

    @router.get("/analytics/user_behavior")
    def user_behavior(asked: Annotated[CategoryRange, Query()]) -> Any:
        total = held.figures.funnels["item"] if held.figures else None
        return answer(
            UserBehavior, "user_behavior", asked, total_users=4321, active_sessions=6, funnel=total,
            active_users=ActiveUsers(day=17, week=120, month=1234), conversion_rate=0.01, actions_by_hour=[],
            real_time_metrics=RealTime(events_per_second=0.5, recommendations_per_minute=None),
        )  # fmt: skip

    return router


def _movers(figures: Figures, category: str | None, window: TrendWindow, limit: int) -> list[TrendingCard]:
    """Those of the category; longer windows have all, the shortest the first only."""
    found = [one for one in figures.movers if category is None or category in one.categories]
    return found[: 1 if window is TrendWindow.SIX_HOURS else limit]
