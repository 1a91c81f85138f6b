"""The copies of trends in PostgreSQL, as routes ask them: each answer is of one state of the tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import psycopg
from psycopg import sql

from saran.api.reading import reading
from saran.core.analytics_shapes import Bucket, Range, TrendWindow
from saran.core.confidence import Weights

HOUR: Final = timedelta(hours=1)
ACTIONS: Final = ("views", "clicks", "carts", "purchases", "rates", "impressions")
COUNTS: Final = (*ACTIONS, "revenue_cents", "priced")
STEPS: Final = ("viewed", "clicked", "carted", "purchased", "cart_ms", "purchase_ms")
MOST_BUCKETS: Final = 2000

_DEFAULT_RANGE: Final = timedelta(days=30)
_WEIGHTS: Final = Weights()
_LEAST_HOURS: Final = {Bucket.MINUTE: 1 / 60, Bucket.HOUR: 1, Bucket.DAY: 24, Bucket.WEEK: 168, Bucket.MONTH: 672}
_WINDOWS: Final = {
    TrendWindow.SIX_HOURS: ("hour", timedelta(hours=6)),
    TrendWindow.DAY: ("hour", timedelta(hours=24)),
    TrendWindow.WEEK: ("day", timedelta(days=7)),
    TrendWindow.MONTH: ("day", timedelta(days=30)),
}
Row = dict[str, Any]
T = TypeVar("T")


def _sums(names: Sequence[str], condition: str = "true") -> sql.Composed:
    """`sum(name) AS name` of each, 0 of no row."""
    one = "coalesce(sum({0}) FILTER (WHERE " + condition + "), 0)::bigint AS {0}"
    return sql.SQL(", ").join(sql.SQL(one).format(sql.Identifier(name)) for name in names)


_SINCE: Final = "window_start >= %(begin)s"
_WITHIN: Final = sql.SQL("window_start >= %(begin)s AND window_start < %(end)s")
_INTEREST: Final = sql.SQL(" + ").join(
    sql.SQL("{} * {}::float8").format(sql.Identifier(name), weight)
    for name, weight in (
        ("views", _WEIGHTS.view),
        ("clicks", _WEIGHTS.click),
        ("carts", _WEIGHTS.add_to_cart),
        ("purchases", _WEIGHTS.purchase),
        ("rates", _WEIGHTS.rate.scale),
    )
)
_BUCKETS: Final = sql.SQL("""
SELECT generate_series(date_trunc(%(bucket)s, %(begin)s), %(end)s - interval '1 us', %(step)s::interval) AS start
""")
_TIMELINE: Final = sql.SQL("""
SELECT date_trunc(%(bucket)s, window_start) AS start, {} FROM analytics.item_trends
WHERE kind = %(kind)s AND grain = 'hour' AND key = %(key)s AND {} GROUP BY 1
""").format(_sums(COUNTS), _WITHIN)
_FUNNEL: Final = sql.SQL("""
SELECT {start} AS start, {steps} FROM analytics.funnel_hourly
WHERE scope = %(scope)s AND category = %(category)s AND {within} {grouped}
""")
_EVENTS: Final = sql.SQL("""
SELECT coalesce(sum(events), 0)::bigint AS events FROM analytics.activity_heatmap WHERE {}
""").format(_WITHIN)
_HOURS_OF_ALL: Final = sql.SQL("""
SELECT weekday, hour, {} FROM analytics.activity_heatmap WHERE {} GROUP BY 1, 2
""").format(_sums((*ACTIONS, "users")), _WITHIN)
_HOURS_OF_CATEGORY: Final = sql.SQL("""
SELECT extract(isodow FROM window_start)::int AS weekday, extract(hour FROM window_start)::int AS hour, {}
FROM analytics.item_trends WHERE kind = 'category' AND grain = 'hour' AND key = %(key)s AND {} GROUP BY 1, 2
""").format(_sums(ACTIONS), _WITHIN)
_SERIES: Final = sql.SQL("""
SELECT key, date_trunc(%(bucket)s, window_start) AS start, sum({}) AS interest FROM analytics.item_trends
WHERE kind = 'category' AND grain = 'hour' AND key = ANY(%(keys)s) AND {} GROUP BY 1, 2
""").format(_INTEREST, _WITHIN)

_BEFORE_AND_NOW: Final = sql.SQL(
    "coalesce(sum({0}) FILTER (WHERE window_start >= %(begin)s), 0) AS interest,"
    " coalesce(sum({0}) FILTER (WHERE window_start < %(begin)s), 0) AS before"
).format(_INTEREST)
_SCORE: Final = sql.SQL("(interest - before) / sqrt(interest + before) AS score")
_CATEGORIES: Final = sql.SQL("""
WITH sums AS (
    SELECT key, {}, {} FROM analytics.item_trends
    WHERE kind = 'category' AND grain = 'hour' AND window_start >= %(before)s AND window_start < %(end)s
        AND (%(key)s::text IS NULL OR key = %(key)s)
    GROUP BY key
)
SELECT *, {} FROM sums WHERE interest > 0 ORDER BY interest DESC, key LIMIT %(limit)s
""").format(_BEFORE_AND_NOW, _sums(COUNTS, _SINCE), _SCORE)
_TRENDING: Final = sql.SQL("""
WITH sums AS (
    SELECT key, {} FROM analytics.item_trends
    WHERE kind = 'item' AND grain = %(grain)s AND window_start >= %(before)s AND window_start < %(end)s GROUP BY key
), best AS (
    SELECT *, {} FROM sums WHERE interest > 0 ORDER BY score DESC, interest DESC, key LIMIT %(limit)s
)
SELECT best.*, coalesce(today.views, 0) AS views_today
FROM best LEFT JOIN analytics.item_trends today
    ON today.kind = 'item' AND today.grain = 'day' AND today.window_start = %(today)s AND today.key = best.key
ORDER BY score DESC, interest DESC, key
""").format(_BEFORE_AND_NOW, _SCORE)

_RETENTION: Final = sql.SQL("""
SELECT cohort::timestamp AT TIME ZONE 'UTC' AS start, array_agg(users ORDER BY later) AS retained
FROM analytics.retention
WHERE grain = %(bucket)s AND cohort >= date_trunc(%(bucket)s, %(begin)s)::date AND cohort < %(end)s
GROUP BY 1 ORDER BY 1
""")


class FiguresAwayError(Exception):
    """PostgreSQL does not answer."""


class NoFiguresError(Exception):
    """No trends were copied yet."""


class TooManyBucketsError(Exception):
    """The range has more buckets than an answer holds."""


@dataclass(frozen=True)
class Span:
    """Whole hours [begin, end). `covered` is False where there is no event before its end and after its begin."""

    begin: datetime
    end: datetime
    covered: bool = True

    @property
    def hours(self) -> int:
        """How many."""
        return (self.end - self.begin) // HOUR


class Figures:
    """One state of the copies: questions inside see the same."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        """Raises NoFiguresError."""
        self._connection = connection
        found = connection.execute("SELECT * FROM analytics.trends").fetchone()
        if found is None:
            raise NoFiguresError
        self.state = found
        self.as_of: datetime = found["as_of"]

    def span(self, asked: Range) -> Span:
        """What is asked, without the time before the first event and after the newest."""
        newest = _hour(self.as_of) + HOUR
        (row,) = self._all(sql.SQL("SELECT min(window_start) AS first FROM analytics.activity_heatmap"))
        end = newest if asked.to is None else _hour(asked.to + HOUR - timedelta(microseconds=1))
        begin = end - _DEFAULT_RANGE if asked.from_ is None else _hour(asked.from_)
        within = Span(max(begin, row["first"]), min(end, newest))
        return within if within.begin < within.end else Span(begin, end, covered=False)

    def buckets(self, span: Span, bucket: Bucket) -> list[datetime]:
        """Where the buckets of a span begin. Raises TooManyBucketsError."""
        if not span.covered:
            return []
        if span.hours > MOST_BUCKETS * _LEAST_HOURS[bucket]:
            raise TooManyBucketsError
        rows = self._all(_BUCKETS, span, bucket=bucket.value, step=f"1 {bucket.value}")
        return [row["start"] for row in rows]

    def counts(self, span: Span, bucket: Bucket, category: str | None) -> dict[datetime, Row]:
        """COUNTS by bucket."""
        kind = "all" if category is None else "category"
        rows = self._all(_TIMELINE, span, bucket=bucket.value, kind=kind, key=_key(category) or "")
        return {row["start"]: row for row in rows}

    def events(self, begin: datetime, end: datetime) -> int:
        """Of all actions."""
        (row,) = self._all(_EVENTS, Span(begin, end))
        return int(row["events"])

    def funnel(self, span: Span, scope: str, category: str | None, bucket: Bucket | None = None) -> list[Row]:
        """STEPS of the span as a whole, one row; or of each bucket that has any, with its `start`."""
        asked = {"scope": scope, "category": _key(category) or ""}
        start, grouped = sql.SQL("NULL"), sql.SQL("")
        if bucket is not None:
            start, grouped = sql.SQL("date_trunc(%(bucket)s, window_start)"), sql.SQL("GROUP BY 1 ORDER BY 1")
            asked["bucket"] = bucket.value
        query = _FUNNEL.format(start=start, steps=_sums(STEPS), within=_WITHIN, grouped=grouped)
        return self._all(query, span, **asked)

    def hours_of_week(self, span: Span, category: str | None) -> dict[tuple[int, int], Row]:
        """ACTIONS, and with no category `users` (added up over hours), by weekday (1 Monday) and hour."""
        query = _HOURS_OF_ALL if category is None else _HOURS_OF_CATEGORY
        return {(row["weekday"], row["hour"]): row for row in self._all(query, span, key=_key(category))}

    def categories(self, span: Span, category: str | None, limit: int) -> list[Row]:
        """Categories of most interest: `key`, COUNTS, `interest`, that of the span `before`, and `score`."""
        if not span.covered:
            return []
        before = span.begin - (span.end - span.begin)
        return self._all(_CATEGORIES, span, before=before, key=_key(category), limit=limit)

    def series(self, span: Span, bucket: Bucket, categories: Sequence[str]) -> dict[tuple[str, datetime], float]:
        """Interest of each category and bucket that has any."""
        rows = self._all(_SERIES, span, bucket=bucket.value, keys=list(categories))
        return {(row["key"], row["start"]): row["interest"] for row in rows}

    def retention(self, span: Span, bucket: Bucket) -> list[Row]:
        """Cohorts that begin in the buckets of a span: `start`, and `retained` users of its bucket and each later."""
        return self._all(_RETENTION, span, bucket=bucket.value)

    def trending(self, window: TrendWindow, limit: int | None) -> list[Row]:
        """Items with interest in the window, best first: `key`, `score`, `interest`, `before`, `views_today`."""
        grain, length = _WINDOWS[window]
        today = _hour(self.as_of).replace(hour=0)
        end = _hour(self.as_of) + HOUR if grain == "hour" else today + timedelta(days=1)
        span = Span(end - length, end)
        return self._all(_TRENDING, span, grain=grain, before=span.begin - length, today=today, limit=limit)

    def _all(self, query: sql.SQL | sql.Composed, span: Span | None = None, **parameters: Any) -> list[Row]:
        bounds = {} if span is None else {"begin": span.begin, "end": span.end}
        return self._connection.execute(query, {**bounds, **parameters}).fetchall()


def _key(category: str | None) -> str | None:
    """As the copies have it: PostgreSQL's text holds no NUL."""
    return None if category is None else category.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


class TrendsReader:
    """Reads in threads. `url` is asked each time, as it may be known only later."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url

    async def ask(self, question: Callable[[Figures], T]) -> T:
        """The answer of one state. Raises FiguresAwayError, NoFiguresError and what `question` raises."""
        return await asyncio.to_thread(self._ask, question)

    def _ask(self, question: Callable[[Figures], T]) -> T:
        try:
            with self._connected() as connection:
                return question(Figures(connection))
        except (psycopg.Error, OSError) as error:
            raise FiguresAwayError(str(error).strip()) from error

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Row]]:
        with reading(self._url()) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            connection.execute("SET TIME ZONE 'UTC'")
            yield connection
