"""POST /stream/events: 202 only for what Kafka has, 422 that says where, retries that add nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.servers import Server

from saran.core.entities import Event
from saran.core.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def in_kafka(settings: Settings) -> list[Event]:
    """Every event of the test's topic."""
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "test", "enable.auto.commit": False})
    ends = [
        consumer.get_watermark_offsets(TopicPartition(settings.events_topic, number), timeout=10)[1]
        for number in range(4)
    ]
    consumer.assign([TopicPartition(settings.events_topic, number, 0) for number in range(4)])
    messages = consumer.consume(sum(ends), timeout=10) if sum(ends) else []
    consumer.close()
    assert len(messages) == sum(ends)
    assert all(
        message.key() == Event.model_validate_json(message.value() or b"").user_id.encode() for message in messages
    )
    return [Event.model_validate_json(message.value() or b"") for message in messages]


def test_what_was_accepted_is_in_kafka(api: Any, settings: Settings) -> None:
    api.start()
    answer = api.post(
        [
            {"user_id": 7, "action": "view", "product_id": 12},
            {
                "user_id": "u",
                "action": "rate",
                "item_id": "i",
                "value": 4.5,
                "event_id": "mine",
                "event_time": "2020-01-01T07:00:00+07:00",
                "session_id": "s",
                "transaction_id": 9,
                "source": "shop",
                "context": {"device": "phone"},
            },
        ]
    )
    assert answer["accepted"] == 2
    assert answer["event_ids"][1] == "mine"
    events = {event.event_id: event for event in in_kafka(settings)}
    first = events[answer["event_ids"][0]]
    assert (first.user_id, first.item_id, first.action, first.source) == ("7", "12", "view", "api")
    assert abs(datetime.now(UTC) - first.event_time) < timedelta(minutes=1)
    second = events["mine"]
    assert second.event_time == datetime(2020, 1, 1, tzinfo=UTC)
    assert (second.value, second.session_id, second.transaction_id, second.source) == (4.5, "s", "9", "shop")
    assert second.context == {"device": "phone"}


GOOD = {"user_id": "u", "action": "view", "item_id": "i"}


@pytest.fixture
def refused(api: Any, settings: Settings) -> Callable[[Any], list[tuple[int | None, str]]]:
    """Posts what must be refused, and gives index and field of each error."""
    api.start()

    def post(events: Any) -> list[tuple[int | None, str]]:
        problem = api.post(events, status=422)
        assert problem["status"] == 422
        assert all(error["reason"] for error in problem["errors"])
        return [(error["index"], error["field"]) for error in problem["errors"]]

    return post


def test_each_wrong_element_is_named_and_nothing_is_taken(refused: Any, api: Any, settings: Settings) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    for wrong, field in (
        ({"user_id": ""}, "user_id"),
        ({"user_id": None}, "user_id"),
        ({"user_id": "x" * 257}, "user_id"),
        ({"item_id": "a\tb"}, "item_id"),
        ({"action": "stare"}, "action"),
        ({"value": 1e13}, "value"),
        ({"value": "much"}, "value"),
        ({"event_time": "2020-01-01T00:00:00"}, "event_time"),
        ({"event_time": tomorrow}, "event_time"),
        ({"event_time": "1969-01-01T00:00:00Z"}, "event_time"),
        ({"colour": "red"}, "colour"),
        ({"context": {str(n): "" for n in range(33)}}, "context"),
        ({"event_id": ""}, "event_id"),
    ):
        assert refused([GOOD, {**GOOD, **wrong}]) == [(1, field)], wrong
    assert refused([{"user_id": "u", "action": "view"}, GOOD, {}]) == [
        (0, "item_id"),
        (2, "user_id"),
        (2, "action"),
        (2, "item_id"),
    ]
    assert refused([{**GOOD, "product_id": "other"}]) == [(0, "body")]
    assert refused([]) == [(None, "body")]
    assert refused(GOOD) == [(None, "body")]
    assert refused([GOOD] * 1001) == [(None, "body")]
    answer = api.http.post("/stream/events", content=b"[{", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    answer = api.http.post("/stream/events", content=b" " * 5_000_000, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    answer = api.http.post(
        "/stream/events", content=iter([b" " * 1_000_000] * 5), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert in_kafka(settings) == []


def test_a_retry_with_the_same_key_changes_nothing(api: Any, settings: Settings, worker: Any) -> None:
    api.start()
    worker.start()
    events = [GOOD, {**GOOD, "item_id": "other"}, GOOD]
    first = api.post(events, **{"Idempotency-Key": "k1"})
    worker.until_applied(3)
    history = api.get("/users/u/history")
    assert len(history["events"]) == 3
    again = api.post(events, **{"Idempotency-Key": "k1"})
    assert again == first
    assert len(set(first["event_ids"])) == 3
    worker.until_applied(6)
    assert api.get("/users/u/history") == history

    assert not set(api.post(events, **{"Idempotency-Key": "k2"})["event_ids"]) & set(first["event_ids"])
    other = api.post([{**GOOD, "action": "purchase"}], **{"Idempotency-Key": "k1"})
    assert other["event_ids"][0] != first["event_ids"][0]
    assert api.post([GOOD])["event_ids"] != api.post([GOOD])["event_ids"]


def test_without_kafka_nothing_is_accepted_and_with_it_again_all_is(
    api: Any, settings: Settings, kafka: Server, until: Callable[..., None]
) -> None:
    api.start(SARAN_KAFKA__TIMEOUT_MS="1500")
    api.post([{**GOOD, "event_id": "before"}])
    kafka.kill9()
    try:
        started = time.monotonic()
        answer = api.http.post("/stream/events", json=[{**GOOD, "event_id": "during"}])
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert time.monotonic() - started < 10
        health = api.get("/health")
        assert (health["status"], health["kafka"]) == ("degraded", "away")
    finally:
        kafka.start()
    until(lambda: api.http.post("/stream/events", json=[{**GOOD, "event_id": "after"}]).status_code == 202)
    until(lambda: api.get("/health")["kafka"] == "up")
    assert {"before", "after"} <= {event.event_id for event in in_kafka(settings)}


def test_events_come_as_lines_too(api: Any, settings: Settings) -> None:
    api.start()
    lines = '{"user_id":"u","action":"view","item_id":"a"}\n\n{"user_id":"u","action":"view","item_id":"b\u2028c"}\r\n'
    headers = {"content-type": "application/x-ndjson; charset=utf-8", "idempotency-key": "k"}
    answers = [api.http.post("/stream/events", content=lines.encode(), headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert [event.item_id for event in in_kafka(settings)] == ["a", "b\u2028c"] * 2

    wrong = api.http.post("/stream/events", content=lines + '{"user_id":"u"}', headers=headers)
    assert wrong.status_code == 422
    assert {(error["index"], error["field"]) for error in wrong.json()["errors"]} == {(2, "action"), (2, "item_id")}
    assert api.http.post("/stream/events", content="{", headers=headers).status_code == 422
    assert api.http.post("/stream/events", content="\n", headers=headers).status_code == 422
