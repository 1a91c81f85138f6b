"""Analytics are those of silver, streams follow their user, experiments count, orders reach the tables."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from pyarrow import dataset as ds

from saran.core.names import EXPOSURES, Table
from tests.e2e.installation import Installation
from tests.e2e.traffic import Traffic

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

COUNTS: Final = {
    "view": "views",
    "click": "clicks",
    "add_to_cart": "carts",
    "purchase": "purchases",
    "rate": "rates",
    "impression": "impressions",
}
"""Action → its column in the analytics."""


def test_the_timeline_has_the_events_of_silver(served: Installation) -> None:
    """From the first event to the newest, each action counted in the tables themselves."""

    def equal() -> bool:
        rows = served.rows(Table.SILVER_EVENTS, ["action", "event_time"])
        wanted = Counter(COUNTS[row["action"]] for row in rows)
        first = min(row["event_time"] for row in rows).replace(minute=0, second=0, microsecond=0)
        end = max(row["event_time"] for row in rows) + timedelta(hours=1)
        told = {"from": _utc(first), "to": _utc(end), "bucket": "month"}
        with served.web("api") as api:
            answer = api.get("/analytics/timeline", params=told)
        assert answer.status_code == 200, answer.text[:500]
        points = answer.json()["points"]
        shown = {name: sum(point[name] for point in points) for name in COUNTS.values()}
        assert shown == {name: wanted[name] for name in COUNTS.values()}
        return True

    served.wait("the timeline to have all of silver", equal)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0).isoformat()


def test_a_stream_sends_a_new_list_after_a_click(trained: Installation) -> None:
    """Through the ingress, which must neither hold back nor cut what is streamed."""
    traffic = Traffic.of(trained)
    user = f"{traffic.source}-watcher"
    with (
        trained.web("api") as api,
        api.stream("GET", f"/stream/recommendations/{user}?limit=10", timeout=120) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        lists = _lists(stream)
        first = next(lists)
        assert first["source"] != "personal"
        clicked = first["items"][0]["item_id"]
        event = {"user_id": user, "item_id": clicked, "action": "rate", "value": 5, "source": traffic.source}
        assert api.post("/stream/events", json=[event | {"event_time": traffic.when}]).status_code == 202
        second = next(lists)
    assert second["source"] == "personal"
    assert clicked not in {one["item_id"] for one in second["items"]}
    assert first["recommendation_id"] != second["recommendation_id"]


def _lists(stream: httpx.Response) -> Iterator[dict[str, Any]]:
    name = ""
    for line in stream.iter_lines():
        kind, _, rest = line.partition(": ")
        if kind == "event":
            name = rest
        elif kind == "data" and name == "recommendations":
            yield json.loads(rest)


def test_an_experiment_counts_whom_it_showed_a_list(trained: Installation, administrator: httpx.Client) -> None:
    traffic = Traffic.of(trained)
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    variants = [{"name": "control"}, {"name": "popular", "strategy": "popular"}]
    path = f"/experiments/{name}"
    assert administrator.put(path, json={"variants": variants}).status_code == 200
    shown: Counter[str] = Counter()
    try:
        users = [f"{traffic.source}-{number}" for number in range(40)]
        trained.wait("lists to be part of the experiment", lambda: _variant(trained, name, users[0]) is not None)
        shown.update(_variant(trained, name, user) or "none" for user in users)
        assert set(shown) == {"control", "popular"}

        def counted() -> bool:
            every = administrator.get("/experiments").json()["experiments"]
            (one,) = [each for each in every if each["name"] == name]
            return {each["name"]: each["users"] for each in one["figures"]} == dict(shown)

        trained.wait("each user to be counted once", counted)
    finally:
        assert administrator.put(path, json={"variants": variants, "running": False}).status_code == 200

    def in_silver() -> bool:
        rows = trained.rows(Table.SILVER_EVENTS, ["user_id"], ds.field("source") == EXPOSURES)
        return {row["user_id"] for row in rows} >= set(users)

    trained.wait("what was shown to be in silver", in_silver)


def _variant(installation: Installation, experiment: str, user: str) -> str | None:
    told = installation.get(f"/recommendations/user/{user}?limit=3").get("experiment")
    return str(told["variant"]) if told and told["name"] == experiment else None


def test_an_item_that_is_told_reaches_the_catalogue(served: Installation, administrator: httpx.Client) -> None:
    item = f"e2e-{uuid.uuid4().hex[:12]}"
    path = f"/items/{item}"
    assert administrator.put(path, json={"title": "A new one", "categories": ["Told"]}).status_code == 202

    def there(available: bool) -> bool:
        rows = served.rows(Table.SILVER_ITEMS, ["title", "categories", "is_available"], ds.field("item_id") == item)
        return rows == [{"title": "A new one", "categories": ["Told"], "is_available": available}]

    served.wait(f"{item} in the catalogue", lambda: there(available=True))
    assert administrator.delete(path).status_code == 202
    served.wait(f"{item} to be away", lambda: there(available=False))


def test_nothing_is_left_of_an_erased_user(served: Installation, administrator: httpx.Client) -> None:
    """Not in the history, nor in any table; a neighbour's events stay."""
    traffic = Traffic.of(served)
    erased, kept = f"{traffic.source}-erased", f"{traffic.source}-kept"
    events = [
        {"user_id": user, "item_id": item, "action": "view", "event_time": traffic.when, "source": traffic.source}
        for user in (erased, kept)
        for item in traffic.items[:5]
    ]
    with served.web("api") as api:
        assert api.post("/stream/events", json=events).status_code == 202
    served.wait("the events in silver", lambda: len(served.silver_ids(traffic.source)) == len(events))
    assert administrator.delete(f"/users/{erased}").status_code == 202
    progress = f"/users/{erased}/erasure"

    def done() -> bool:
        told = administrator.get(progress)
        return told.status_code == 200 and told.json()["tables_done_at"] is not None

    served.wait("the erasure to reach the tables", done)
    left = served.rows(Table.SILVER_EVENTS, ["user_id"], ds.field("source") == traffic.source)
    assert Counter(row["user_id"] for row in left) == {kept: 5}
    raw = served.rows(Table.BRONZE_EVENTS, ["key"])
    assert erased not in {_text(row["key"]) for row in raw}
    assert kept in {_text(row["key"]) for row in raw}
    assert served.get(f"/users/{erased}/history")["events"] == []


def _text(key: bytes | str | None) -> str | None:
    return key.decode() if isinstance(key, bytes) else key
