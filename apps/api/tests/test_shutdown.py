"""SIGTERM while requests are being answered: each gets its answer, and what was accepted is in Kafka."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from apps.api.tests.test_api_degraded import Proxy
from apps.api.tests.test_api_events import in_kafka

from saran.core.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

REQUESTS = 20


@pytest.fixture
def proxy(settings: Settings) -> Iterator[Proxy]:
    url = urlsplit(settings.postgres_url)
    between = Proxy(url.hostname or "", url.port or 5432)
    yield between
    between.thaw()
    between.cut()


def test_what_is_being_answered_is_answered_to_its_end(
    api: Any, settings: Settings, proxy: Proxy, until: Callable[..., None]
) -> None:
    url = urlsplit(settings.postgres_url)
    through = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{proxy.port}").geturl()
    api.start(SARAN_DATABASE_URL=through, SARAN_SERVING__DATABASE_TIMEOUT_MS="60000", SARAN_LOG_FORMAT="json")
    assert api.get("/users/u/history") == {"user_id": "u", "events": []}
    api.post([{"user_id": "u", "action": "view", "item_id": "i", "event_id": "before"}])
    proxy.freeze()

    def ask(number: int) -> httpx.Response:
        return httpx.get(f"{settings.api_url}/users/u{number}/history", timeout=60, trust_env=False)

    def refuses() -> bool:
        try:
            httpx.get(f"{settings.api_url}/live", timeout=5, trust_env=False)
        except httpx.ConnectError:
            return True
        except httpx.TransportError:
            return False
        return False

    with ThreadPoolExecutor(REQUESTS + 1) as pool:
        asked = [pool.submit(ask, number) for number in range(REQUESTS)]
        # The question after it is one of those that are being answered.
        until(lambda: f"saran_api_open_requests {REQUESTS + 1}.0" in api.http.get("/metrics").text)
        api.http.close()
        ending = pool.submit(api.process.end, signal.SIGTERM)
        until(refuses)
        assert not any(one.done() for one in asked)
        proxy.thaw()
        answers = [one.result(timeout=60) for one in asked]
        code = ending.result(timeout=60)
    assert [answer.status_code for answer in answers] == [200] * REQUESTS
    assert [answer.json()["user_id"] for answer in answers] == [f"u{number}" for number in range(REQUESTS)]
    assert code in {0, -signal.SIGTERM}
    assert [event.event_id for event in in_kafka(settings)] == ["before"]
    log = api.process.log.read_text()
    assert '"level": "error"' not in log, log
    assert "Traceback" not in log
