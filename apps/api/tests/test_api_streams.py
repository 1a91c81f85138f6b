"""A user's list as a stream: what is sent, when nothing is, and how streams end."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apps.api.tests.sse import Listening
from pydantic import SecretStr
from tests.servers import Server, free_offset, postgres_server

from saran.api.history_changes import _told
from saran.client import Client
from saran.core.list_options import ListOptions
from saran.core.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def ids(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def best(shop: Any, strengths: dict[int, float], k: int) -> list[str]:
    return [item for item, _ in shop.expected("v1", strengths, k)]


def clients(api: Any) -> float:
    (line,) = [
        one
        for one in api.http.get("/metrics").text.splitlines()
        if one.startswith('saran_api_stream_clients{stream="recommendations"}')
    ]
    return float(line.split()[-1])


def test_a_stream_tells_each_list_once(
    api: Any, shop: Any, settings: Settings, worker: Any, until: Callable[..., None]
) -> None:
    shop.publish("v1")
    worker.start()
    api.start(SARAN_SERVING__STREAM_HEARTBEAT_SECONDS="0.2", SARAN_SERVING__MODEL_POLL_SECONDS="0.1")
    url = f"{settings.api_url}/stream/recommendations/u%2F1?limit=3"
    with Listening(url) as stream, Listening(url) as twin:
        until(lambda: len(stream.data()) == 1)
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["x-accel-buffering"] == "no"
        first = stream.data()[0]
        assert (first["user_id"], first["source"], ids(first)) == ("u/1", "popular", ["i7", "i8", "i9"])
        assert clients(api) == 2
        seen = len(stream.comments)
        until(lambda: len(stream.comments) > seen + 2)

        api.post([{"user_id": "other", "action": "click", "item_id": "i9"}])
        api.post([{"user_id": "u/1", "action": "click", "item_id": "i3"}])
        until(lambda: len(stream.data()) == 2)
        assert ids(stream.data()[1]) == best(shop, {3: 1.0}, 3)
        asked = api.get("/recommendations/user/u%2F1?limit=3")
        assert stream.data()[1] == {**asked, "recommendation_id": stream.data()[1]["recommendation_id"]}
        assert stream.data()[1]["recommendation_id"] < asked["recommendation_id"]
        # An event that changes nothing is not told of: what is seen after it is the answer to the next.
        event = {"event_id": "e", "user_id": "u/1", "action": "add_to_cart", "item_id": "i40"}
        api.post([event])
        until(lambda: len(stream.data()) == 3)
        api.post([event])
        api.post([{"user_id": "u/1", "action": "purchase", "item_id": "i50"}])
        until(lambda: len(stream.data()) == 4)
        assert ids(stream.data()[3]) == best(shop, {3: 1.0, 40: 3.0, 50: 5.0}, 3)
        until(lambda: [ids(one) for one in twin.data()] == [ids(one) for one in stream.data()])
        last = stream.messages[-1]["id"]
    until(lambda: clients(api) == 0)

    with Listening(url, **{"Last-Event-ID": last}) as again:
        until(lambda: len(again.comments) > 1)
        assert again.data() == []
        shop.publish("v2")
        until(lambda: len(again.data()) == 1)
        assert again.data()[0]["model_version"] == "v2"
    with Listening(url, **{"Last-Event-ID": last}) as other:
        until(lambda: len(other.data()) == 1)
    text = api.http.get("/metrics").text
    # Each of the three changes reached two streams.
    assert 'saran_api_stream_update_seconds_count{stream="recommendations"} 6.0' in text
    api.get("/stream/recommendations/u?limit=0", status=422)
    api.get("/stream/recommendations/a%00b", status=422)


def test_the_client_follows_a_user(
    api: Any, shop: Any, settings: Settings, worker: Any, until: Callable[..., None]
) -> None:
    shop.publish("v1")
    worker.start()
    api.start(SARAN_SERVING__STREAM_MAX_SECONDS="1")
    with Client(settings.api_url) as client:
        assert [answer.source for answer in client.follow("u", ListOptions(limit=2))] == ["popular"]
        api.post([{"user_id": "u", "action": "click", "item_id": "i3"}])
        until(lambda: client.recommendations("u").source == "personal")
        (answer,) = client.follow("u", ListOptions(limit=2))
        assert [item.item_id for item in answer.items] == best(shop, {3: 1.0}, 2)
    until(lambda: clients(api) == 0)


def test_the_state_of_the_installation_is_streamed(
    api: Any, shop: Any, settings: Settings, until: Callable[..., None]
) -> None:
    shop.publish("v1")
    api.start(SARAN_SERVING__STREAM_CLIENTS="1")
    with Listening(f"{settings.api_url}/stream/analytics") as stream:
        until(lambda: len(stream.data()) == 1)
        assert stream.messages[-1]["event"] == "analytics"
        first = stream.data()[0]
        assert first["model"]["version"] == "v1"
        for _ in range(5):
            api.get("/live")
        until(lambda: stream.data()[-1]["requests"] == first["requests"] + 5)
        api.get("/stream/analytics", status=503)
    with Client(settings.api_url) as client:
        until(lambda: 'saran_api_stream_clients{stream="analytics"} 0.0' in api.http.get("/metrics").text)
        assert next(client.follow_metrics()).dataset == first["dataset"]


def test_an_erased_user_is_streamed_what_is_popular(
    api: Any, shop: Any, settings: Settings, worker: Any, until: Callable[..., None]
) -> None:
    shop.publish("v1")
    worker.start()
    api.start()
    api.post([{"user_id": "u", "action": "click", "item_id": "i3"}])
    until(lambda: api.get("/recommendations/user/u")["source"] == "personal")
    with Listening(f"{settings.api_url}/stream/recommendations/u") as stream:
        until(lambda: len(stream.data()) == 1)
        assert api.http.delete("/users/u").status_code == 202
        until(lambda: len(stream.data()) == 2)
        assert [one["source"] for one in stream.data()] == ["personal", "popular"]


def test_streams_are_bounded_and_end_with_the_process(
    api: Any, shop: Any, settings: Settings, until: Callable[..., None]
) -> None:
    api.start(SARAN_SERVING__STREAM_CLIENTS="2", SARAN_SERVING__MODEL_POLL_SECONDS="0.1")
    assert "saran train" in api.get("/stream/recommendations/u", status=503)["detail"]
    shop.publish("v1")
    until(lambda: api.get("/health")["models_loaded"] == ["recommender"])
    url = f"{settings.api_url}/stream/recommendations/u"
    with Listening(url) as first:
        with Listening(url):
            refused = api.http.get("/stream/recommendations/u")
            assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
            assert int(refused.headers["retry-after"]) > 0
            assert "2 streams" in refused.json()["detail"]
        until(lambda: clients(api) == 1)
        with Listening(url) as second:
            until(lambda: bool(first.data()) and bool(second.data()))
            assert api.process.end() in {0, -signal.SIGTERM}
            assert first.ended.wait(30)
            assert second.ended.wait(30)
    log = api.process.log.read_text()
    assert "Application shutdown complete" in log
    assert "timeout graceful shutdown exceeded" not in log


@pytest.fixture
def own_postgres(settings: Settings, tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, which `settings` name from then on."""
    own = Settings(home=tmp_path / "own", port_offset=free_offset())
    server = postgres_server(own)
    server.start()
    settings.database_url = SecretStr(own.postgres_url)
    settings.__dict__.pop("postgres_url", None)
    yield server
    server.stop()


def test_a_stream_goes_on_when_postgres_is_back(
    own_postgres: Server, api: Any, shop: Any, settings: Settings, worker: Any, until: Callable[..., None]
) -> None:
    shop.publish("v1")
    worker.start()
    api.start(SARAN_SERVING__DATABASE_TIMEOUT_MS="2000")
    api.post([{"user_id": "u", "action": "click", "item_id": "i3"}])
    until(lambda: api.get("/recommendations/user/u")["source"] == "personal")
    url = f"{settings.api_url}/stream/recommendations/u?limit=3"
    with Listening(url) as stream:
        until(lambda: len(stream.data()) == 1)
        own_postgres.stop()
        until(lambda: api.get("/recommendations/user/u")["degraded"])
        with Listening(url) as late:
            until(lambda: len(late.data()) == 1)
            assert late.data()[0]["degraded"]
            api.post([{"user_id": "u", "action": "purchase", "item_id": "i50"}])
            own_postgres.start()
            expected = best(shop, {3: 1.0, 50: 5.0}, 3)
            until(lambda: ids(stream.data()[-1]) == expected)
            until(lambda: ids(late.data()[-1]) == expected)
        assert not any(answer["degraded"] for answer in stream.data())
        api.post([{"user_id": "u", "action": "add_to_cart", "item_id": "i40"}])
        until(lambda: ids(stream.data()[-1]) == best(shop, {3: 1.0, 50: 5.0, 40: 3.0}, 3))


def test_notifications_are_short_and_name_each_user() -> None:
    changed = {f'{number} \u00e9"{"x" * 200}': number for number in range(300)}
    payloads = _told(changed)
    assert len(payloads) > 1
    assert max(len(payload.encode()) for payload in payloads) < 8000
    told = [json.loads(payload) for payload in payloads]
    assert {user: at for one in told for user, at in one.items()} == changed
    assert _told({str(number): 1 for number in range(2001)}) == ["{}"]
