"""Analytics and trending of a real API, over figures that the trends stream made of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
from apps.api.tests.conftest import wait_until
from apps.spark.tests.test_trends import EVENTS, ITEMS, Happening, add, catalogue

from saran.api.metrics import ApiMetrics
from saran.api.problem import Problem
from saran.api.rates import Rate
from saran.api.routes.analytics import _readable
from saran.api.silver_events import MOST_EVENTS
from saran.api.trends_reader import Figures, Span
from saran.client import Client
from saran.core.analytics_shapes import FunnelRange, FunnelUsersRange, RetentionRange, TrendsRange, TrendWindow
from saran.core.settings import Settings
from saran.spark.trends.tables import TrendsStream

pytestmark = [pytest.mark.postgres, pytest.mark.kafka, pytest.mark.timeout(300)]

RANGE = "from=2026-05-01T00:00:00Z&to=2026-05-03T00:00:00Z"


@pytest.fixture
def two_days(api: Any, settings: Settings) -> Any:
    """The API over the events of `EVENTS`: two days, whose figures test_trends has by hand."""
    catalogue(settings, ITEMS)
    add(settings, [event for events in EVENTS for event in events])
    TrendsStream(settings)()
    api.start()
    return api


def hours(item: str, action: str, counts: dict[str, int]) -> list[Happening]:
    """So many events of an item by different users, at the beginning of hours."""
    return [
        (f"{hour}:{n:02}", f"{item}{hour}{n}", item, action, None)
        for hour, count in counts.items()
        for n in range(count)
    ]


def user_behavior(two_days: Any) -> None:
    told = two_days.get("/analytics/user_behavior")
    assert told["as_of"] == "2026-05-02T00:20:00Z"
    assert (told["from"], told["to"]) == ("2026-05-01T10:00:00Z", "2026-05-02T01:00:00Z")
    assert (told["total_users"], told["active_users"]) == (3, {"day": 1, "week": 3, "month": 3})
    assert told["active_sessions"] == 1
    assert told["funnel"] == {
        "viewed": 4,
        "clicked": 1,
        "carted": 2,
        "purchased": 2,
        "cart_rate": 0.5,
        "purchase_rate": 0.5,
        "cart_to_purchase": 1.0,
        "seconds_to_cart": 1050.0,
        "seconds_to_purchase": 1200.0,
    }
    assert told["conversion_rate"] == 0.5
    by_hour = {row["hour"]: row for row in told["actions_by_hour"]}
    assert list(by_hour) == list(range(24))
    assert (by_hour[10]["views"], by_hour[10]["carts"], by_hour[10]["purchases"]) == (3, 1, 1)
    assert (by_hour[0]["purchases"], by_hour[0]["carts"], by_hour[12]["views"]) == (1, 1, 0)
    # One event in the five minutes up to the newest.
    assert told["real_time_metrics"]["events_per_second"] == pytest.approx(1 / 300)


def what_divides_by_nothing_is_null(two_days: Any) -> None:
    told = two_days.get("/analytics/user_behavior?from=2026-05-02T00:00:00Z")
    assert told["funnel"]["viewed"] == 0
    rates = ("cart_rate", "purchase_rate", "cart_to_purchase", "seconds_to_cart", "seconds_to_purchase")
    assert [told["funnel"][name] for name in rates] == [None] * 5
    assert told["conversion_rate"] is None
    before = two_days.get("/analytics/timeline?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z")
    assert (before["points"], before["from"], before["to"]) == ([], "2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z")
    after = two_days.get("/analytics/trends?from=2027-01-01T00:00:00Z&to=8999-01-01T00:00:00Z")
    assert (after["buckets"], after["categories"]) == ([], [])


def the_funnel_by_category_bucket_and_session(two_days: Any) -> None:
    light = two_days.get(f"/analytics/funnel?{RANGE}&category=Light&bucket=hour")
    assert (light["total"]["viewed"], light["total"]["purchased"], light["total"]["purchase_rate"]) == (3, 2, 2 / 3)
    assert [(point["start"], point["viewed"], point["carted"]) for point in light["points"]] == [
        ("2026-05-01T10:00:00Z", 2, 1),
        ("2026-05-01T23:00:00Z", 1, 1),
    ]
    sessions = two_days.get(f"/analytics/funnel?{RANGE}&scope=session")
    assert (sessions["total"]["viewed"], sessions["total"]["purchased"], sessions["points"]) == (3, 1, [])
    two_days.get("/analytics/funnel?scope=session&category=Light", status=422)


def the_timeline_holds_each_bucket(two_days: Any) -> None:
    days = two_days.get(f"/analytics/timeline?{RANGE}")
    assert [(point["start"], point["views"], point["purchases"], point["revenue"]) for point in days["points"]] == [
        ("2026-05-01T00:00:00Z", 4, 1, 19.99),
        ("2026-05-02T00:00:00Z", 0, 1, 10.0),
    ]
    by_hour = two_days.get(f"/analytics/timeline?{RANGE}&bucket=hour&category=Home")["points"]
    assert [point["start"][11:13] for point in by_hour] == [f"{hour % 24:02}" for hour in range(10, 25)]
    assert [point["views"] for point in by_hour] == [3, *[0] * 12, 1, 0]
    assert by_hour[1]["revenue"] is None
    months = two_days.get("/analytics/timeline?from=1970-01-01T00:00:00Z&bucket=month")["points"]
    assert [(point["start"], point["views"]) for point in months] == [("2026-05-01T00:00:00Z", 4)]
    # The hour that an end cuts counts whole, in any zone.
    cut = two_days.get("/analytics/timeline?from=2026-05-01T16:15:00%2B05:30&to=2026-05-01T11:10:00Z&bucket=hour")
    assert [(point["start"], point["views"], point["clicks"]) for point in cut["points"]] == [
        ("2026-05-01T10:00:00Z", 3, 0),
        ("2026-05-01T11:00:00Z", 0, 1),
    ]


def the_timeline_by_minute_is_of_silver(two_days: Any) -> None:
    told = two_days.get("/analytics/timeline?from=2026-05-01T23:00:00Z&bucket=minute")
    points = {point["start"][11:16]: point for point in told["points"]}
    assert len(points) == 120
    assert list(points)[:2] == ["23:00", "23:01"]
    assert (points["23:50"]["views"], points["23:51"]["views"], points["00:20"]["carts"]) == (1, 0, 1)
    assert (points["00:10"]["purchases"], points["00:10"]["revenue"], points["00:11"]["revenue"]) == (1, 10.0, None)
    whole = two_days.get("/analytics/timeline?bucket=minute&category=Light")["points"]
    by_hour = two_days.get("/analytics/timeline?bucket=hour&category=Light")["points"]
    for count in ("views", "clicks", "carts", "purchases", "priced"):
        assert sum(point[count] for point in whole) == sum(point[count] for point in by_hour)
    assert two_days.get("/analytics/funnel?bucket=minute", status=422)["errors"][0]["field"] == "bucket"
    two_days.get("/analytics/trends?bucket=minute", status=422)
    before = two_days.get("/analytics/timeline?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z&bucket=minute")
    assert before["points"] == []


def who_stopped_at_a_step(two_days: Any) -> None:
    def stopped(step: str, more: str = "") -> Any:
        return two_days.get(f"/analytics/funnel/users?step={step}&{RANGE}{more}")

    told = {step: stopped(step) for step in ("view", "click", "cart", "purchase")}
    assert {step: [row["user_id"] for row in one["rows"]] for step, one in told.items()} == {
        "view": ["bob"], "click": ["cid"], "cart": [], "purchase": ["ann", "bob"],
    }  # fmt: skip
    assert told["view"]["rows"] == [
        {"user_id": "bob", "entries": 1, "last_view": "2026-05-01T10:05:00Z", "last_item": "sofa"}
    ]
    assert [(one["users"], one["entries"]) for one in told.values()] == [(1, 1), (1, 1), (0, 0), (2, 2)]
    funnel = two_days.get(f"/analytics/funnel?{RANGE}")["total"]
    assert sum(one["entries"] for one in told.values()) == funnel["viewed"]
    assert told["purchase"]["entries"] == funnel["purchased"]
    # Of ann's views before midnight the purchase and the cart after it count.
    assert [row["user_id"] for row in stopped("purchase", "&limit=1")["rows"]] == ["ann"]
    rest = stopped("purchase", "&limit=1&offset=1")
    assert ([row["user_id"] for row in rest["rows"]], rest["users"], rest["offset"]) == (["bob"], 2, 1)
    assert stopped("view", "&category=Light")["users"] == 0
    assert stopped("view", "&category=Home")["users"] == 1
    late = two_days.get("/analytics/funnel/users?step=purchase&from=2026-05-01T23:00:00Z")
    assert [row["user_id"] for row in late["rows"]] == ["ann"]
    nobody = two_days.get("/analytics/funnel/users?step=view&to=2020-01-01T00:00:00Z")
    assert (nobody["users"], nobody["rows"]) == (0, [])
    two_days.get("/analytics/funnel/users", status=422)
    two_days.get("/analytics/funnel/users?step=view&scope=session", status=422)


def the_heatmap_counts_hours(two_days: Any) -> None:
    cells = {(cell["weekday"], cell["hour"]): cell for cell in two_days.get("/analytics/heatmap")["cells"]}
    assert len(cells) == 168
    assert sum(cell["hours"] for cell in cells.values()) == 15
    ten = cells[(5, 10)]
    assert (ten["hours"], ten["events"], ten["views"], ten["users_mean"]) == (1, 5, 3, 2.0)
    assert (cells[(5, 12)]["hours"], cells[(5, 12)]["events"], cells[(5, 12)]["users_mean"]) == (1, 0, 0.0)
    assert (cells[(5, 9)]["hours"], cells[(5, 9)]["users_mean"]) == (0, None)
    home = {
        (cell["weekday"], cell["hour"]): cell for cell in two_days.get("/analytics/heatmap?category=Light")["cells"]
    }
    assert (home[(5, 10)]["events"], home[(5, 10)]["users_mean"]) == (4, None)


def categories_over_time(two_days: Any) -> None:
    told = two_days.get("/analytics/trends?from=2026-05-01T23:00:00Z&bucket=hour")
    assert told["buckets"] == ["2026-05-01T23:00:00Z", "2026-05-02T00:00:00Z"]
    home, light = told["categories"]
    # A view of 1, then a purchase of 5 and a cart of 3; nothing in the two hours before.
    assert (home["category"], home["interest"], home["series"]) == ("Home", 9.0, [1.0, 8.0])
    assert (home["interest_before"], home["growth_rate"], home["trend_score"]) == (0.0, None, 3.0)
    assert (light["category"], light["revenue"], light["priced"]) == ("Light", 10.0, 1)
    one = two_days.get("/analytics/trends?from=2026-05-01T23:00:00Z&category=Light&bucket=hour")["categories"]
    assert [row["category"] for row in one] == ["Light"]


def users_who_come_again(two_days: Any) -> None:
    told = two_days.get("/analytics/retention?bucket=day")
    assert (told["as_of"], told["from"], told["bucket"]) == ("2026-05-02T00:20:00Z", "2026-05-01T10:00:00Z", "day")
    assert told["cohorts"] == [{"start": "2026-05-01T00:00:00Z", "users": 3, "retained": [3, 1], "rates": [1.0, 1 / 3]}]
    weeks = two_days.get("/analytics/retention?from=2026-05-02T00:00:00Z")
    assert [(row["start"], row["retained"]) for row in weeks["cohorts"]] == [("2026-04-27T00:00:00Z", [3])]
    assert two_days.get("/analytics/retention?bucket=day&from=2026-05-02T00:00:00Z")["cohorts"] == []
    assert two_days.get("/analytics/retention?to=2026-04-27T00:00:00Z")["cohorts"] == []
    two_days.get("/analytics/retention?bucket=hour", status=422)


def what_cannot_be_asked(two_days: Any) -> None:
    backwards = "from=2026-05-02T00:00:00Z&to=2026-05-01T00:00:00Z"
    for query in (backwards, "from=x", "to=0.5", "bucket=second", "category=", "unknown=1"):
        assert two_days.get(f"/analytics/timeline?{query}", status=422)["errors"], query


def test_figures_of_two_days(two_days: Any) -> None:
    user_behavior(two_days)
    what_divides_by_nothing_is_null(two_days)
    the_funnel_by_category_bucket_and_session(two_days)
    the_timeline_holds_each_bucket(two_days)
    the_timeline_by_minute_is_of_silver(two_days)
    who_stopped_at_a_step(two_days)
    the_heatmap_counts_hours(two_days)
    categories_over_time(two_days)
    users_who_come_again(two_days)
    what_cannot_be_asked(two_days)
    with Client(str(two_days.http.base_url)) as client:
        asked = FunnelRange.model_validate({"from": "2026-05-01T23:00:00Z", "category": "Light"})
        assert client.funnel(asked).total.viewed == 1
        assert client.funnel_users(FunnelUsersRange(step="click")).rows[0].user_id == "cid"
        assert client.user_behavior().total_users == client.timeline().points[0].purchases + 2
        assert client.heatmap().category is None
        assert [row.category for row in client.trends(TrendsRange(limit=1)).categories] == ["Home"]
        asked_for = RetentionRange.model_validate({"bucket": "month"})
        assert [row.retained for row in client.retention(asked_for).cohorts] == [[3]]
        assert client.trending(window=TrendWindow.WEEK).source == "trending"


def test_a_range_of_too_many_buckets_is_refused(api: Any, settings: Settings) -> None:
    add(settings, [(f"{year}-01-01T00:00", "ann", "lamp", "view", None) for year in (2025, 2026)])
    TrendsStream(settings)()
    api.start()
    told = api.get("/analytics/timeline?from=2024-01-01T00:00:00Z&bucket=hour", status=422)
    assert told["errors"][0]["field"] == "bucket"
    told = api.get("/analytics/timeline?from=2025-12-30T00:00:00Z&bucket=minute", status=422)
    assert told["errors"][0]["field"] == "bucket"
    assert len(api.get("/analytics/timeline?from=2024-01-01T00:00:00Z&bucket=day")["points"]) == 366


def test_a_time_of_too_many_events_is_not_read() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    span = Span(now - timedelta(hours=1), now)
    counted = SimpleNamespace(events=lambda begin, end: MOST_EVENTS if end == now else MOST_EVENTS + 1)
    assert _readable(cast("Figures", counted), span, now) is span
    with pytest.raises(Problem, match="ask for less time") as refused:
        _readable(cast("Figures", counted), span, now + timedelta(days=1))
    assert refused.value.status_code == 422


def test_trending_items(api: Any, shop: Any, settings: Settings) -> None:
    """Of 24 hours against those before: 9 against 16, 4 against none, 4 against 1, a cart of 3 against none."""
    events = hours("i1", "view", {"2026-05-01T11": 16, "2026-05-02T10": 9})
    events += hours("i2", "view", {"2026-05-02T11": 3, "2026-05-01T13": 1})
    events += hours("new", "view", {"2026-05-01T10": 1, "2026-05-02T10": 4})
    events += [("2026-05-02T12:30", "ann", "i3", "add_to_cart", None)]
    add(settings, events)
    TrendsStream(settings)()
    shop.publish("v1")
    api.start()
    told = api.get("/recommendations/trending")
    assert (told["source"], told["as_of"], told["window"]) == ("trending", "2026-05-02T12:30:00Z", "24h")
    figures = ("item_id", "rank", "interest", "views_today", "growth_rate")
    assert [tuple(item[name] for name in figures) for item in told["items"]] == [
        ("i2", 1, 4.0, 3, None),
        ("i3", 2, 3.0, 0, None),
        ("new", 3, 4.0, 4, 3.0),
        ("i1", 4, 9.0, 9, 9 / 16 - 1),
    ]
    scores = [2.0, 3 / 3**0.5, 3 / 5**0.5, -7 / 5]
    assert [item["trend_score"] for item in told["items"]] == pytest.approx(scores)
    assert told["items"][0]["title"]
    assert told["items"][2]["title"] is None
    # `b` is the category of odd items; the model does not know `new`.
    odd = api.get("/recommendations/trending?category=B&limit=1")
    assert [item["item_id"] for item in odd["items"]] == ["i3"]
    assert [item["item_id"] for item in api.get("/recommendations/trending?window=6h")["items"]] == [
        "i1", "new", "i2", "i3"
    ]  # fmt: skip
    by = {one["strategy"]: one for one in api.get("/recommendations/strategies/nobody?exclude=i3&limit=2")["lists"]}
    assert [(name, one["source"]) for name, one in by.items()] == [
        ("als", "popular"), ("popular", "popular"), ("trending", "trending")
    ]  # fmt: skip
    # The model does not know `new`, of which no condition can be asked.
    assert [(item["item_id"], item["rank"]) for item in by["trending"]["items"]] == [("i2", 1), ("i1", 2)]
    assert [item["score"] for item in by["trending"]["items"]] == pytest.approx([scores[0], scores[3]])
    assert [(item["item_id"], item["rank"], item["reason"]) for item in by["trending"]["left_out"]] == [
        ("i3", 2, "excluded")
    ]


def test_each_window_compares_with_the_one_before(api: Any, settings: Settings) -> None:
    """Of events one each hour for 70 days, a window holds as many as its hours, the newest day not yet whole."""
    first = datetime(2026, 1, 1, tzinfo=UTC)
    times = [first + n * timedelta(hours=1) for n in range(70 * 24 - 11)]  # up to 12:00
    add(settings, [(f"{time:%Y-%m-%dT%H:%M}", "ann", "lamp", "view", None) for time in times])
    TrendsStream(settings)()
    api.start()
    expected = {"6h": (6, 6), "24h": (24, 24), "7d": (157, 168), "30d": (709, 720)}
    assert list(expected) == list(TrendWindow)
    for window, (now, before) in expected.items():
        (item,) = api.get(f"/recommendations/trending?window={window}")["items"]
        assert (item["interest"], item["growth_rate"]) == (now, pytest.approx(now / before - 1))
        assert item["views_today"] == 13


def test_without_figures(api: Any, shop: Any, settings: Settings) -> None:
    api.start()
    assert "saran load" in api.get("/analytics/user_behavior", status=503)["detail"]
    api.get("/recommendations/trending", status=503)
    shop.publish("v1")
    until_served(api)
    told = api.get("/recommendations/trending?limit=2")
    assert (told["source"], told["as_of"], told["items"][0]["item_id"]) == ("popular", None, "i7")
    assert (told["items"][0]["trend_score"], len(told["items"])) == (None, 2)
    assert "no figures yet" in told["note"]
    assert {item["item_id"] for item in api.get("/recommendations/trending?category=b&limit=9")["items"]} >= {"i7"}


def test_with_the_database_away(two_days: Any, shop: Any, settings: Settings) -> None:
    shop.publish("v1")
    until_served(two_days)
    assert two_days.get("/recommendations/trending")["source"] == "trending"
    name = settings.postgres_url.rsplit("/", 1)[1]
    rename(settings, name, f"{name}_away")
    try:
        answer = two_days.http.get("/analytics/funnel")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert answer.headers["retry-after"] == "5"
        assert "saran up" in answer.json()["detail"]
        told = two_days.get("/recommendations/trending")
        assert (told["source"], told["items"][0]["item_id"]) == ("popular", "i7")
        assert "does not answer" in told["note"]
    finally:
        rename(settings, f"{name}_away", name)
    assert two_days.get("/analytics/funnel")["total"]["viewed"] == 4


def rename(settings: Settings, name: str, other: str) -> None:
    """Take a database away, or give it back."""
    url = settings.postgres_url.rsplit("/", 1)[0] + "/postgres"
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        connection.execute(f'ALTER DATABASE "{name}" RENAME TO "{other}"')


def until_served(api: Any) -> None:
    """Wait until the API has the model."""
    wait_until(lambda: api.get("/health")["models_loaded"] == ["recommender"])


def test_quantiles_of_a_histogram() -> None:
    """Half up to a millisecond, half between 10 and 25: within a bucket a rank lies as far as its share."""
    metrics = ApiMetrics()
    for seconds in (0.0005, 0.02):
        for _ in range(50):
            metrics.observe("GET", "/live", 200, seconds)
    times = metrics.times()["/live"]
    assert (times.requests, times.p50_ms) == (100, 1.0)
    assert (times.p95_ms, times.p99_ms) == pytest.approx((10 + 15 * 0.9, 10 + 15 * 0.98))
    metrics.observe("GET", "/slow", 200, 60)
    assert metrics.times()["/slow"].p50_ms == 10_000


def test_the_rate_of_lists_is_over_the_last_minute() -> None:
    now, made = 0.0, 0.0
    rate = Rate(lambda: made, clock=lambda: now)
    assert rate.per_minute() is None
    for second in range(0, 125, 5):
        now = float(second)
        rate.look()
        made += 10 if second < 60 else 0
        if second == 0:
            assert rate.per_minute() is None
        if second == 30:
            assert rate.per_minute() == 140  # 70 lists in 30 seconds
    assert rate.per_minute() == 0
