"""Items and users that are put, and users who are forgotten: at once, for ever, and nobody else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from apps.api.tests.visitor_versions import publish_predictor, publish_segmentation
from confluent_kafka import Consumer, TopicPartition

from saran.core.entities import Item
from saran.core.names import Topic
from saran.core.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def newest(settings: Settings, topic: str, key: str) -> bytes | None:
    """Value of the newest record with a key; fails when there is none."""
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "test", "enable.auto.commit": False})
    places = [TopicPartition(topic, number, 0) for number in consumer.list_topics(topic, 10).topics[topic].partitions]
    count = sum(high - low for low, high in (consumer.get_watermark_offsets(place, timeout=10) for place in places))
    consumer.assign(places)
    found = [message.value() for message in consumer.consume(count, timeout=10) if message.key() == key.encode()]
    consumer.close()
    return found[-1]


def test_items_go_to_kafka_and_what_is_no_item_does_not(api: Any, settings: Settings) -> None:
    api.start()
    item_id, other = f"item/{uuid.uuid4().hex}", uuid.uuid4().hex
    answer = api.http.put(f"/items/{item_id}", json={"title": "Tea", "price": 2.5, "categories": ["drinks"]})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    expected = Item(item_id=item_id, title="Tea", price=2.5, categories=["drinks"])
    assert Item.model_validate_json(newest(settings, Topic.CATALOG, item_id) or b"") == expected
    assert api.ask("/items", [{"item_id": other}, {"item_id": 7, "title": "Seven"}], 202) == {"accepted": 2}
    assert json.loads(newest(settings, Topic.CATALOG, "7") or b"")["title"] == "Seven"
    assert api.http.delete(f"/items/{item_id}").status_code == 202
    assert newest(settings, Topic.CATALOG, item_id) is None
    for path, body in (("/items/i", {"price": -1}), ("/items/i", {"cost": 1}), ("/items/a%01", {}), ("/users/u", [])):
        wrong = api.http.put(path, json=body)
        assert wrong.status_code == 422, path
        assert wrong.headers["content-type"] == "application/problem+json"
    assert "price" in api.http.put("/items/i", json={"price": -1}).json()["detail"]


def test_a_user_is_what_was_said_and_done(
    api: Any, worker: Any, shop: Any, settings: Settings, until: Callable[..., None]
) -> None:
    shop.publish("v1")
    publish_predictor(settings.models_path, "p1", said="num_views")
    publish_segmentation(settings.models_path, "s1")
    worker.start()
    api.start()
    user = uuid.uuid4().hex
    api.get(f"/users/{user}", 404)
    said = {"birth_year": 1990, "attributes": {"city": "Bandung"}}
    assert api.http.put(f"/users/{user}", json=said).status_code == 202
    until(lambda: api.http.get(f"/users/{user}").status_code == 200)
    bare = api.get(f"/users/{user}")
    assert bare == {"user_id": user, **said, "history_events": 0, "actions": {}, "segment": None, "propensity": None}
    done = ["view", "view", "click", "click", "add_to_cart", "add_to_cart", "add_to_cart"]
    api.post([{"user_id": user, "action": action, "item_id": f"i{place}"} for place, action in enumerate(done)])
    until(lambda: api.get(f"/users/{user}")["history_events"] == 7)
    known = api.get(f"/users/{user}")
    asked = {"visitorid_to_identify": user, "num_views": 4, "num_addtocart": 3, "distinct_items_interacted": 7}
    assert known["propensity"] == api.ask("/predict-transaction", asked)["probability"] == 0.4, "a click is a view"
    assert known["segment"]
    assert known["actions"] == {"view": 2, "click": 2, "add_to_cart": 3}
    assert api.get(f"/users/{user}/events") == api.get(f"/users/{user}/history")


@pytest.fixture
def forgetful(api: Any, worker: Any, shop: Any) -> Any:
    """An API with a model and a worker."""
    shop.publish("v1")
    worker.start()
    api.start()
    return api


def _event(user: str, number: int, **more: str) -> dict[str, str]:
    return {"user_id": user, "action": "view", "item_id": f"i{number}", "event_id": f"{user}-{number}", **more}


def _known(settings: Settings) -> dict[str, int]:
    with psycopg.connect(settings.postgres_url, connect_timeout=5) as connection:
        return dict(connection.execute("SELECT user_id, cardinality(item_ids) FROM online.user_history").fetchall())


def test_a_forgotten_user_is_gone_and_stays_gone(
    forgetful: Any, worker: Any, settings: Settings, until: Callable[..., None]
) -> None:
    api = forgetful
    gone, stays = uuid.uuid4().hex, uuid.uuid4().hex
    file = [_event(user, number) for user in (gone, stays) for number in range(3)]
    api.post(file)
    api.http.put(f"/users/{gone}", json={"birth_year": 1990})
    until(lambda: _known(settings) == {gone: 3, stays: 3})
    until(lambda: api.get(f"/users/{gone}")["birth_year"] == 1990)

    taken = api.http.delete(f"/users/{gone}")
    assert taken.status_code == 202
    until(lambda: _known(settings) == {stays: 3}, 20)
    api.get(f"/users/{gone}", 404)
    progress = api.get(f"/users/{gone}/erasure")
    assert progress["request_id"] == taken.json()["request_id"]
    assert (progress["until"], progress["tables_done_at"]) == (None, None)
    days = datetime.fromisoformat(progress["deadline"]) - datetime.fromisoformat(progress["requested_at"])
    assert days == timedelta(days=settings.erasure_days)
    api.get(f"/users/{stays}/erasure", 404)

    covered = worker.applied()
    api.post([*file, _event(gone, 9), _event(stays, 9)])
    worker.until_applied(covered + 8)
    assert _known(settings) == {stays: 4}
    assert worker.end() == 0
    worker.start()
    api.post([_event(gone, 10), _event(stays, 10)])
    worker.until_applied(covered + 10)
    assert _known(settings) == {stays: 5}
    order = newest(settings, Topic.REQUESTS, json.loads(_order(settings))["subject"]) or b""
    assert gone.encode() not in order


def _order(settings: Settings) -> str:
    with psycopg.connect(settings.postgres_url, connect_timeout=5) as connection:
        row = connection.execute("SELECT json_build_object('subject', subject) FROM online.erasures").fetchone()
    assert row is not None
    return json.dumps(row[0])


def test_erased_events_stay_away_and_later_ones_count(
    forgetful: Any, worker: Any, settings: Settings, until: Callable[..., None]
) -> None:
    user = uuid.uuid4().hex
    old = [_event(user, number, event_time="2026-01-01T00:00:00Z") for number in range(3)]
    ahead = _event(user, 7, event_time=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    forgetful.post([*old, ahead])
    until(lambda: _known(settings) == {user: 4})
    assert forgetful.http.delete(f"/users/{user}/events").status_code == 202
    until(lambda: _known(settings) == {user: 1}, 20)
    forgetful.post([*old, _event(user, 8)])
    until(lambda: _known(settings).get(user, 0) >= 2)
    worker.until_applied(8)
    assert sorted(event["item_id"] for event in forgetful.get(f"/users/{user}/events")["events"]) == ["i7", "i8"]
