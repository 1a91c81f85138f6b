"""What is asked of the routes of analytics and trending, and what they answer."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from saran.core import limits
from saran.core.answer import Answer
from saran.core.api_shapes import Card
from saran.core.entities import Action, Moment

_SHARE = "Null where there is nothing to divide by"


class Bucket(StrEnum):
    """Windows of UTC; weeks begin on Monday."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


WholeHours = Literal[Bucket.HOUR, Bucket.DAY, Bucket.WEEK, Bucket.MONTH]

FunnelStep = Literal["view", "click", "cart", "purchase"]

FUNNEL_STEPS: Final[dict[FunnelStep, Action]] = {
    "view": Action.VIEW,
    "click": Action.CLICK,
    "cart": Action.ADD_TO_CART,
    "purchase": Action.PURCHASE,
}
"""In order."""


class TrendWindow(StrEnum):
    """Up to the newest event: the first two in whole hours, the others in whole days."""

    SIX_HOURS = "6h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


CategoryName = Annotated[
    str, Field(min_length=1, max_length=limits.MAX_CATEGORY_LENGTH, description="One category, by its whole name")
]


class Range(BaseModel):
    """A time of whole hours."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: Moment | None = Field(
        default=None,
        alias="from",
        ge=datetime.fromisoformat(limits.MIN_EVENT_TIME),
        description="Begin; the hour that holds it counts whole. 30 days before the end when missing",
        examples=["2015-05-03T00:00:00Z"],
    )
    to: Moment | None = Field(
        default=None,
        le=datetime(9000, 1, 1, tzinfo=UTC),
        description="End; the hour that it cuts counts whole. The newest event when missing",
        examples=["2015-06-02T00:00:00Z"],
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.from_ is not None and self.to is not None and self.from_ >= self.to:
            raise ValueError(f"to={self.to.isoformat()} is not after from={self.from_.isoformat()}")
        return self


class CategoryRange(Range):
    """A time, and a category or all."""

    category: CategoryName | None = None


class BucketRange(CategoryRange):
    """A time in buckets."""

    bucket: Bucket = Field(default=Bucket.DAY, description="`minute` for a day and a half at most")


class FunnelRange(CategoryRange):
    """A time, as a whole and perhaps in buckets, and who goes through the funnel."""

    bucket: WholeHours | None = Field(default=None, description="Also the funnel of each bucket")
    scope: Literal["item", "session"] = Field(
        default="item",
        description="`item`: a user's views of an item in one hour and what follows them; `session`: a session",
    )

    @model_validator(mode="after")
    def _sessions_have_none(self) -> Self:
        if self.scope == "session" and self.category is not None:
            raise ValueError("a session has no category: leave `category` out, or ask for scope=item")
        return self


class FunnelUsersRange(CategoryRange):
    """A time, and how far views of items came in it."""

    step: FunnelStep = Field(description="The furthest step of an entry: `cart` is put in the cart and not bought")
    limit: int = Field(default=50, ge=1, le=limits.MAX_LIST_LENGTH, description="Users at most")
    offset: int = Field(default=0, ge=0, le=1_000_000, description="Users before the first that is told")


class TrendsRange(CategoryRange):
    """A time in buckets, and how many categories."""

    bucket: WholeHours = Bucket.DAY
    limit: int = Field(default=10, ge=1, le=100, description="Categories at most")


class RetentionRange(Range):
    """A time in buckets, in which users came first."""

    bucket: Literal[Bucket.DAY, Bucket.WEEK, Bucket.MONTH] = Bucket.WEEK


class _AsOf(Answer):
    as_of: datetime = Field(description="The newest event that counts: figures are of then, not of now")


class _OfTime(_AsOf):
    model_config = ConfigDict(populate_by_name=True)

    from_: datetime = Field(alias="from", description="Begin, itself inside")
    to: datetime = Field(description="End, itself outside")


class _OfRange(_OfTime):
    category: str | None


class Counts(Answer):
    """Events by action, and what purchases brought."""

    views: int
    clicks: int
    carts: int
    purchases: int
    rates: int
    impressions: int
    revenue: float | None = Field(
        description="Of the purchases whose amount is known, in the data's currency; null where none is",
        examples=[120.5],
    )
    priced: int = Field(description="Purchases whose amount is known")


class TimelinePoint(Counts):
    """One bucket."""

    start: datetime


class Timeline(_OfRange):
    """Buckets one after another, those without events too."""

    bucket: Bucket
    points: list[TimelinePoint]


class FunnelSteps(Answer):
    """Of those that viewed, how many came further, and how long after the view on average."""

    viewed: int
    clicked: int
    carted: int
    purchased: int
    cart_rate: float | None = Field(description=f"carted / viewed. {_SHARE}", examples=[0.03])
    purchase_rate: float | None = Field(description=f"purchased / viewed. {_SHARE}", examples=[0.01])
    cart_to_purchase: float | None = Field(
        description=f"purchased / carted: above 1 where more is bought than was put in carts. {_SHARE}", examples=[0.33]
    )
    seconds_to_cart: float | None = Field(description="From the view to the first cart, on average")
    seconds_to_purchase: float | None = Field(description="From the view to the first purchase, on average")


class FunnelPoint(FunnelSteps):
    """The views of one bucket and what followed them."""

    start: datetime


class Funnel(_OfRange):
    """By the hour of the view; what follows it up to a day later counts, and comes in while the day lasts."""

    scope: Literal["item", "session"]
    bucket: Bucket | None
    total: FunnelSteps
    points: list[FunnelPoint] = Field(description="Buckets with a view; none without `bucket`")


class FunnelUser(Answer):
    """A user who stopped at a step."""

    user_id: str
    entries: int = Field(description="Items and hours that the user viewed and that came this far")
    last_view: datetime = Field(description="Of the newest of them")
    last_item: str = Field(description="Its item")


class FunnelUsers(_OfRange):
    """Users by the number of their entries, most first; then the newest view."""

    step: FunnelStep
    users: int = Field(description="All, told or not")
    entries: int = Field(description="Of all of them. Those of the four steps together are the funnel's `viewed`")
    rows: list[FunnelUser]
    offset: int


class HeatCell(Answer):
    """An hour of a weekday."""

    weekday: int = Field(ge=1, le=7, description="1 is Monday")
    hour: int = Field(ge=0, le=23, description="UTC")
    hours: int = Field(description="How many such hours the range holds")
    events: int
    views: int
    purchases: int
    users_mean: float | None = Field(description="Users in such an hour on average; null with a category")


class Heatmap(_OfRange):
    """All 168 hours of a week."""

    cells: list[HeatCell]


class CategoryTrend(Counts):
    """A category in the range, against the time of the same length before it."""

    category: str
    interest: float = Field(description="Events by their weight: a view or click 1, a cart 3, a purchase 5, a rating 1")
    interest_before: float
    growth_rate: float | None = Field(description=f"interest / interest_before - 1. {_SHARE}", examples=[0.25])
    trend_score: float = Field(description="As in /recommendations/trending")
    series: list[float] = Field(description="Interest of each of `buckets`")


class Trends(_OfRange):
    """Categories by interest, most first; with a category, that one."""

    bucket: Bucket
    buckets: list[datetime]
    categories: list[CategoryTrend]


class Cohort(Answer):
    """Users whose first event was in one bucket."""

    start: datetime
    users: int
    retained: list[int] = Field(
        description="Of the users, those with an event in the cohort's own bucket, which are all, and in each bucket "
        "after it up to that of `as_of`, which counts as far as it has come; 31 days, 27 weeks or 25 months at most",
        examples=[[120, 40, 25]],
    )
    rates: list[float] = Field(description="retained / users", examples=[[1.0, 1 / 3, 5 / 24]])


class Retention(_OfTime):
    """Cohorts that begin in the range's buckets, those without a user left out."""

    bucket: Bucket
    cohorts: list[Cohort]


class HourOfDay(Answer):
    """What users do at an hour of the day (UTC), all days of the range together."""

    hour: int = Field(ge=0, le=23)
    views: int
    clicks: int
    carts: int
    purchases: int
    rates: int
    impressions: int


class ActiveUsers(Answer):
    """Users with an event, up to the newest event's day."""

    day: int
    week: int = Field(description="Of the last 7 days")
    month: int = Field(description="Of the last 30 days")


class RealTime(Answer):
    """What goes on."""

    events_per_second: float = Field(description="Over the five minutes up to `as_of`, by event time")
    recommendations_per_minute: float | None = Field(
        description="Lists that the API's process which answers has made in the last minute, by the clock; null in the "
        "first seconds after its start"
    )


class UserBehavior(_OfRange):
    """What users do. Totals and real-time figures are of all data; funnel and hours are of the range."""

    total_users: int
    active_users: ActiveUsers
    active_sessions: int = Field(description="Sessions with an event in the half hour up to `as_of`")
    funnel: FunnelSteps
    conversion_rate: float | None = Field(description=f"The funnel's `purchase_rate`. {_SHARE}")
    actions_by_hour: list[HourOfDay]
    real_time_metrics: RealTime


class TrendingCard(Card):
    """An item that is on the rise; figures are null in a list that is only popular."""

    rank: int
    trend_score: float | None = Field(
        description="(interest - before) / sqrt(interest + before), of the window and the one before it: how far the "
        "rise is beyond chance. Interest: a view or click counts 1, a cart 3, a purchase 5, a rating 1",
        examples=[4.2],
    )
    views_today: int | None = Field(description="On the UTC day of `as_of`, up to then")
    interest: float | None
    growth_rate: float | None = Field(description=f"interest / interest before - 1. {_SHARE}", examples=[1.5])


class Trending(Answer):
    """Items by trend_score, highest first."""

    source: Literal["trending", "popular"] = Field(description="`popular`: the model's own list, `note` says why")
    as_of: datetime | None = Field(description="The newest event that counts; null in a list that is only popular")
    window: TrendWindow
    model_version: str | None = Field(description="Of the model whose catalogue the cards are from; null without one")
    items: list[TrendingCard]
    note: str | None = None
