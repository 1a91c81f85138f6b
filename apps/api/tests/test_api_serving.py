"""Lists: their values, the next click, versions that come and go, and what is answered without a history."""

from __future__ import annotations

import json
import re
import signal
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from saran.core.names import Topic
from saran.core.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def ids(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_the_next_click_changes_the_list_to_what_arithmetic_demands(
    api: Any, shop: Any, worker: Any, until: Callable[..., None]
) -> None:
    shop.publish("v1")
    worker.start()
    api.start()
    before = api.get("/recommendations/user/new?limit=5")
    assert before["source"] == "popular"
    assert not before["degraded"]
    assert ids(before) == ["i7", "i8", "i9", "i10", "i11"]

    clicks = [("i3", "click"), ("i40", "add_to_cart"), ("i3", "view"), ("nowhere", "purchase")]
    api.post([{"user_id": "new", "action": action, "item_id": item} for item, action in clicks])
    until(lambda: api.get("/recommendations/user/new")["history_events"] == 4)
    answer = api.get("/recommendations/user/new?limit=5")
    expected = shop.expected("v1", {3: 2.0, 40: 3.0}, 5)
    assert answer["source"] == "personal"
    assert answer["model_version"] == "v1"
    assert ids(answer) == [item for item, _ in expected]
    assert [item["score"] for item in answer["items"]] == pytest.approx([score for _, score in expected], rel=1e-4)
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    row = int(ids(answer)[0][1:])
    assert answer["items"][0]["title"] == f'Thing "{row}"'
    assert answer["items"][0]["price"] == row / 2

    api.post([{"user_id": "new", "action": "purchase", "product_id": ids(answer)[0]}])
    until(lambda: api.get("/recommendations/user/new")["history_events"] == 5)
    assert ids(api.get("/recommendations/user/new?limit=4")) == [
        item for item, _ in shop.expected("v1", {3: 2.0, 40: 3.0, row: 5.0}, 4)
    ]
    history = api.get("/users/new/history?limit=1")["events"]
    assert [(event["item_id"], event["action"]) for event in history] == [(f"i{row}", "purchase")]
    assert len(api.get("/users/new/history")["events"]) == 5


def test_versions_are_swapped_while_serving_and_a_broken_one_is_refused(
    api: Any, shop: Any, settings: Settings, until: Callable[..., None]
) -> None:
    api.start(SARAN_SERVING__MODEL_POLL_SECONDS="0.1")
    answer = api.http.get("/recommendations/user/u")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert "saran train" in answer.json()["detail"]
    assert api.get("/health")["models_loaded"] == []

    for version in ("v1", "v2"):
        shop.publish(version)
        until(lambda version=version: api.get("/health")["model_versions"] == {"recommender": version})
        similar = api.get("/recommendations/similar/i3?limit=3")
        assert similar["model_version"] == version
        assert api.get("/recommendations/user/u")["model_version"] == version

    broken = shop.write("v3") / "als.factors.npy"
    broken.write_bytes(broken.read_bytes()[:-1] + b"\1")
    shop.serve("v3")
    until(lambda: "v3" in " ".join(api.get("/health")["warnings"]))
    health = api.get("/health")
    assert health["status"] == "degraded"
    assert health["model_versions"] == {"recommender": "v2"}
    assert "checksum" in " ".join(health["warnings"])
    assert api.get("/recommendations/similar/i3?limit=3")["items"] == similar["items"]

    shop.serve("v1")
    until(lambda: api.get("/health")["model_versions"] == {"recommender": "v1"})
    assert not any("v3" in text for text in api.get("/health")["warnings"])


def test_visitors_are_integers_and_hide_no_named_path(
    api: Any, shop: Any, settings: Settings, worker: Any, until: Callable[..., None]
) -> None:
    shop.publish("v1")
    worker.start()
    api.start()
    event = {"event_id": "e", "event_time": "2020-01-01T00:00:00Z", "user_id": "42", "item_id": "i9", "source": "test"}
    worker.send([("42", json.dumps({**event, "action": "view"}).encode())])
    until(lambda: len(api.get("/recommendations/42")) == 5)
    listed = [api.http.get("/recommendations/42") for _ in range(2)] + [api.http.get("/recommendations/43")]
    ids = [uuid.UUID(one.headers["x-recommendation-id"]) for one in listed]
    assert ids == sorted(set(ids))
    times = api.get("/system/metrics")["routes"]["/recommendations/{visitorid:int}"]
    assert times["requests"] >= 4
    assert 0 < times["p50_ms"] <= times["p95_ms"] <= times["p99_ms"]
    answer = api.get("/recommendations/42?num_recommendations=3")
    assert [item["item_id"] for item in answer] == [item for item, _ in shop.expected("v1", {9: 1.0}, 3)]
    assert api.get("/recommendations/43") == []
    assert [item["item_id"] for item in api.get("/recommendations/43?fallback=true&num_recommendations=2")] == [
        "i7",
        "i8",
    ]
    api.get("/recommendations/abc", status=404)
    assert api.get("/recommendations/similar/i1?limit=2")["item_id"] == "i1"
    assert api.get("/recommendations/user/42?limit=1")["user_id"] == "42"


def test_the_catalogue(api: Any, shop: Any) -> None:
    shop.publish("v1")
    api.start()
    item = api.get("/items/i9")
    assert (item["title"], item["price"], item["attributes"]) == ('Thing "9"', 4.5, {"k": "v"})
    assert api.get("/items/nothing", status=404)["detail"] == "model v1 knows no item 'nothing'"
    api.get("/recommendations/similar/nothing", status=404)
    assert api.get("/recommendations/similar/i9?by=behaviour")["by"] == "behaviour"
    reason = api.get("/recommendations/similar/i9?by=content", status=404)["detail"]
    assert "train one that does: `saran train content`" in reason
    api.get("/recommendations/similar/i9?by=colour", status=422)
    found = api.get("/search?q=tHING%20%2229&limit=3")["items"]
    assert [one["item_id"] for one in found] == ["i29", "i290", "i291"]  # by popularity, which begins at i7
    assert api.get("/search?q=100%25")["items"] == []
    api.get("/search?q=", status=422)


def test_ids_of_any_characters_and_limits(api: Any, shop: Any) -> None:
    shop.publish("v1")
    api.start()
    assert api.get("/recommendations/user/a%2Fb%20%22%C3%A9%22")["user_id"] == 'a/b "é"'
    assert len(api.get("/recommendations/user/u?limit=500")["items"]) == 300
    assert len(api.get("/recommendations/user/u")["items"]) == 10
    for wrong in ("limit=0", "limit=501", "limit=x", "limit=", "limit=-1", "limit=1e2"):
        problem = api.get(f"/recommendations/user/u?{wrong}", status=422)
        assert problem["errors"][0]["field"] == "limit"
    api.get(f"/recommendations/user/{'x' * 257}", status=422)
    api.get("/recommendations/user/a%00b", status=422)


def test_images_are_served_and_nothing_else(api: Any, settings: Settings) -> None:
    posters = settings.media_paths[0] / "posters"
    posters.mkdir(parents=True)
    (posters / "a.jpg").write_bytes(b"\xff\xd8picture")
    (posters / "notes.txt").write_text("secret")
    (settings.media_paths[0].parent / "outside.jpg").write_bytes(b"secret")
    (posters / "link.jpg").symlink_to(settings.media_paths[0].parent / "outside.jpg")
    api.start()
    answer = api.http.get("/media/posters/a.jpg")
    assert answer.content == b"\xff\xd8picture"
    assert answer.headers["content-type"] == "image/jpeg"
    assert "max-age" in answer.headers["cache-control"]
    for path in ("notes.txt", "link.jpg", "..%2f..%2foutside.jpg", "%2e%2e/%2e%2e/outside.jpg", "none.jpg", "a.jpg%00"):
        assert api.http.get(f"/media/posters/{path}").status_code == 404, path


def test_the_state_of_the_installation(api: Any, shop: Any, settings: Settings, worker: Any) -> None:
    shop.publish("v1")
    with psycopg.connect(settings.postgres_url, connect_timeout=5) as connection:
        connection.execute(
            "INSERT INTO analytics.table_counts (table_name, rows, version, as_of, rejected_rows, duplicate_rows)"
            " VALUES ('silver.events', 120, 7, '2020-01-02T03:04:05Z', 4, 26), ('silver.items', 9, 2, NULL, 5, NULL)"
        )
        connection.execute(
            "INSERT INTO analytics.ingest_batches"
            " (query, batch_id, seconds, input_rows, new_rows, duplicate_rows, rejected_rows, finished_at) VALUES"
            " (%(events)s, 1, 2, 100, 90, 6, 4, now() - interval '1 min'), (%(events)s, 2, 1, 50, 30, 20, 0, now()),"
            " (%(catalog)s, 3, 9, 70, 10, 55, 5, now() + interval '1 min'),"
            " (%(events)s, 4, 3, 0, 0, 0, 0, now() + interval '2 min')",  # it held no record
            {"events": f"{settings.events_topic}/run", "catalog": f"{Topic.CATALOG}/run"},
        )
        # Alive for 30 s from then on, and a busy machine takes longer to come to where that is looked at.
        connection.execute(
            "INSERT INTO analytics.heartbeats (part, seen_at) VALUES ('streams', now() + interval '5 min')"
        )
    one = {"event_time": "2020-01-01T00:00:00Z", "item_id": "i9", "source": "test", "action": "view"}
    users = [f"u{n % 20}" for n in range(30)]
    records = [
        (user, json.dumps({**one, "event_id": f"e{n}", "user_id": user}).encode()) for n, user in enumerate(users)
    ]
    worker.start()
    worker.send(records)
    worker.until_applied(30)
    worker.end()
    worker.send(records[:12])
    api.start()
    metrics = api.get("/system/metrics")
    assert metrics["tables"]["silver.events"]["rows"] == 120
    assert metrics["as_of"] == "2020-01-02T03:04:05Z"
    assert metrics["ingest"]["events_per_second"] == 50
    assert metrics["ingest"]["last_batch"]["batch_id"] == 2
    assert (metrics["ingest"]["new_rows"], metrics["ingest"]["duplicate_rows"], metrics["ingest"]["rejected_rows"]) == (
        120,
        26,
        4,
    )
    books = {name: (count["rejected_rows"], count["duplicate_rows"]) for name, count in metrics["tables"].items()}
    assert books == {"silver.events": (4, 26), "silver.items": (5, None)}
    suggested = {"history_events": 2, "newest_event": "2020-01-01T00:00:00Z"}
    first = sorted(f"u{n}" for n in range(10))[:8]  # of the ten who have two events each
    assert metrics["suggested_users"] == [{"user_id": user, **suggested} for user in first]
    assert sum(metrics["topics"][settings.events_topic].values()) == 42
    told = api.get("/system/batches?limit=2")["batches"]
    assert [(one["query"], one["batch_id"], one["rejected_rows"]) for one in told] == [
        (f"{Topic.CATALOG}/run", 3, 5),
        (f"{settings.events_topic}/run", 2, 0),
    ]
    assert api.get("/system/tables") == {"tables": []}
    assert api.get("/system/rejected") == {"rows": 0, "version": None, "reasons": [], "more_reasons": 0, "sample": []}
    lag = metrics["lag"]["saran-online"][settings.events_topic]
    assert sum(lag.values()) == 12
    assert metrics["lag"]["saran-ingest"][settings.events_topic] == dict.fromkeys("0123")
    assert metrics["model"]["version"] == "v1"
    assert metrics["synthetic"] is True
    assert (metrics["dataset"], metrics["about"]["title"]) == ("movielens", "MovieLens latest small")
    assert metrics["about"]["actions"] == ["rate"]
    assert metrics["about"]["highest_rating"] == 5
    assert metrics["about"]["capabilities"]["ratings"] == "given"
    assert metrics["about"]["capabilities"]["images"] == "none"
    assert metrics["warnings"] == []
    assert api.get("/health")["spark_session_active"] is True
    text = api.http.get("/metrics").text
    assert 'saran_api_model_info{name="recommender",version="v1"} 1.0' in text
    told = re.findall(
        rf'^saran_api_consumer_lag{{group="(.*)",partition="\d",topic="{settings.events_topic}"}} (.*)$', text, re.M
    )
    assert {group for group, _ in told} == {"saran-online"}
    assert sum(float(records) for _, records in told) == 12
    assert 'saran_api_requests_total{method="GET",route="/system/metrics",status="200"} 1.0' in text


def test_the_edge(api: Any) -> None:
    api.start()
    answer = api.http.get("/live", headers={"X-Request-Id": "abc123"})
    assert answer.headers["x-request-id"] == "abc123"
    assert answer.headers["x-content-type-options"] == "nosniff"
    made = {api.http.get("/live", headers={"X-Request-Id": "a b"}).headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    assert "a b" not in made
    missing = api.http.get("/nothing")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert api.http.delete("/live").status_code == 405
    assert "/recommendations/user/{user_id}" in api.get("/openapi.json")["paths"]
    assert api.process.end() in {0, -signal.SIGTERM}
    assert "Application shutdown complete" in api.process.log.read_text()
