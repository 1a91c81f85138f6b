"""POST /stream/events: 202 only for what Kafka has, 422 that says where, retries that add nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.servers import Server

from saran.core.entities import Event
from saran.core.settings import Settings
from saran.core.verdicts import Rejection, judge

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def records(settings: Settings) -> list[tuple[str, Event | Rejection]]:
    """Every record of the test's topic: its key, and what `ingest` takes it for."""
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "test", "enable.auto.commit": False})
    ends = [
        consumer.get_watermark_offsets(TopicPartition(settings.events_topic, number), timeout=10)[1]
        for number in range(4)
    ]
    consumer.assign([TopicPartition(settings.events_topic, number, 0) for number in range(4)])
    messages = consumer.consume(sum(ends), timeout=10) if sum(ends) else []
    consumer.close()
    assert len(messages) == sum(ends)
    return [
        ((message.key() or b"").decode(), judge(Event, message.value(), message.timestamp()[1])) for message in messages
    ]


def in_kafka(settings: Settings) -> list[Event]:
    """Every event of the test's topic, which holds nothing else."""
    found = []
    for key, event in records(settings):
        assert isinstance(event, Event)
        assert key == event.user_id
        found.append(event)
    return found


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


def _told(answer: Any) -> list[tuple[int | None, str]]:
    """Index and field of each error."""
    assert all(error["reason"] and error["in"] == "body" for error in answer["errors"])
    return [(error["index"], error["field"]) for error in answer["errors"]]


def test_wrong_elements_are_named_and_the_good_are_taken(api: Any, settings: Settings) -> None:
    api.start()
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    table: list[tuple[Any, str]] = [
        ({"user_id": ""}, "user_id"),
        ({"user_id": True}, "user_id"),
        ({"user_id": None}, "user_id"),
        ({"user_id": "x" * 257}, "user_id"),
        ({"item_id": "a\tb"}, "item_id"),
        ({"action": "stare"}, "action"),
        ({"value": 1e13}, "value"),
        ({"value": 10**400}, "value"),
        ({"value": "much"}, "value"),
        ({"event_time": "2020-01-01T00:00:00"}, "event_time"),
        ({"event_time": tomorrow}, "event_time"),
        ({"event_time": 1_700_000_000}, "event_time"),
        ({"event_time": "1700000000.5"}, "event_time"),
        ({"event_time": "1969-01-01T00:00:00Z"}, "event_time"),
        ({"colour": "red"}, "colour"),
        ({"context": {str(n): "" for n in range(33)}}, "context"),
        ({"context": {"k": {"deep": 1}}}, "context.k"),
        ({"event_id": ""}, "event_id"),
        ({"product_id": "other"}, "body"),
    ]
    wrong = [{**GOOD, "session_id": str(place), **one} for place, (one, _) in enumerate(table)]
    answer = api.post([GOOD, *wrong, {**GOOD, "event_id": "last"}, {}], status=207)
    assert _told(answer) == [
        *((index, field) for index, (_, field) in enumerate(table, start=1)),
        *((len(table) + 2, field) for field in ("user_id", "action", "item_id")),
    ]
    assert answer["accepted"] == 2
    assert [place for place, event_id in enumerate(answer["event_ids"]) if event_id] == [0, len(table) + 1]
    assert answer["event_ids"][-2] == "last"

    found = records(settings)
    events = [event.event_id for _, event in found if isinstance(event, Event)]
    assert sorted(events) == sorted(one for one in answer["event_ids"] if one)
    reasons = [(key, verdict.reason) for key, verdict in found if isinstance(verdict, Rejection)]
    assert len(reasons) == len(table) + 1, "each of the others ends in silver.rejected"
    for error in answer["errors"]:
        assert any(f"{error['field']}: {error['reason']}" in reason for _, reason in reasons), error
    # The key lets an erasure find it, where it says whose it is.
    assert [key for key, reason in reasons if reason.startswith("colour")] == ["u"]


def test_a_list_without_an_event_is_refused_whole(api: Any, settings: Settings) -> None:
    api.start()
    body = json.dumps([{**GOOD, "\ud800": 1}, 7])  # half of a surrogate pair, which is no text
    refused = api.http.post("/stream/events", content=body, headers={"content-type": "application/json"})
    problem = refused.json()
    assert refused.status_code == problem["status"] == 422
    assert _told(problem) == [(0, "body"), (1, "body")]
    assert problem["detail"].endswith("(and 1 more)")
    (first, why), (second, other) = sorted(records(settings), key=lambda one: str(one[1]))
    assert isinstance(why, Rejection)
    assert isinstance(other, Rejection)
    assert {first, second} == {"u", other.event_id if first == "u" else why.event_id}
    for whole in ([], GOOD, [GOOD] * 1001):
        assert _told(api.post(whole, status=422)) == [(None, "body")]
    answer = api.http.post("/stream/events", content=b"[{", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    answer = api.http.post("/stream/events", content=b" " * 5_000_000, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    answer = api.http.post(
        "/stream/events", content=iter([b" " * 1_000_000] * 5), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert len(records(settings)) == 2, "what is no list leaves nothing"


def test_a_retry_with_the_same_key_changes_nothing(api: Any, settings: Settings, worker: Any) -> None:
    api.start()
    worker.start()
    events = [GOOD, {**GOOD, "item_id": "other"}, GOOD]
    first = api.post(events, **{"Idempotency-Key": "k1"})
    worker.until_applied(3)
    history = api.get("/users/u/history")
    assert [event["item_id"] for event in history["events"]] == ["i", "other", "i"]
    assert len({event["event_time"] for event in history["events"]}) == 3
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

    wrong = [
        api.http.post("/stream/events", content=lines + '{"user_id":"u"}\n{"user_id":\n1,2', headers=headers)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in wrong] == [207, 207]
    assert wrong[0].json() == wrong[1].json()
    assert _told(wrong[0].json()) == [(2, "action"), (2, "item_id"), (3, "body"), (4, "body")]
    assert wrong[0].json()["event_ids"] == [*answers[0].json()["event_ids"], None, None, None]
    refusals = [(key, verdict) for key, verdict in records(settings) if isinstance(verdict, Rejection)]
    assert len(refusals) == 6
    assert len(set(refusals)) == 3, "sent again they are the same records"
    assert api.http.post("/stream/events", content="{", headers=headers).status_code == 422
    assert api.http.post("/stream/events", content="\n", headers=headers).status_code == 422
