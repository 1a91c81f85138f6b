"""Live users: their choices repeat by seed, follow their taste, and reach Kafka or the API exactly once."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import httpx
import polars as pl
import pytest
from apps.producer.tests.producer_helpers import arrived, own_settings, quiet, read_topic, running, wait_for
from tests.servers import Server

from saran.core.entities import Action, Event
from saran.core.errors import SaranError
from saran.core.names import Topic
from saran.core.settings import Settings
from saran.producer import channels
from saran.producer.channels import ApiChannel
from saran.producer.load import load
from saran.producer.options import LoadOptions
from saran.producer.pool import Pool, make_pool
from saran.producer.shoppers import Shoppers
from saran.producer.simulate import SimulateOptions, simulate


def _pool(*, priced: bool = True) -> Pool:
    items = 400
    return make_pool(
        [
            pl.DataFrame(
                {
                    "item_id": [f"i{number:03d}" for number in range(items)],
                    "categories": [[f"c{number % 40:02d}"] for number in range(items)],
                    "rating_count": [number + 1 for number in range(items)],
                    "price": pl.Series([9.5 if priced else None] * items, dtype=pl.Float64),
                }
            )
        ]
    )


def test_the_same_seed_takes_the_same_steps() -> None:
    first, again, other = (Shoppers(_pool(), 20, seed) for seed in (1, 1, 2))
    steps = [first.step() for _ in range(300)]
    assert [again.step() for _ in range(300)] == steps
    assert [other.step() for _ in range(300)] != steps


def test_a_purchase_follows_a_cart_follows_a_click_follows_a_view_of_the_same_item() -> None:
    shoppers = Shoppers(_pool(), 30, 4)
    before: dict[int, tuple[Action, str]] = {}
    needs = {Action.CLICK: Action.VIEW, Action.ADD_TO_CART: Action.CLICK, Action.PURCHASE: Action.ADD_TO_CART}
    seen: Counter[Action] = Counter()
    for _ in range(5_000):
        step = shoppers.step()
        if step.action in needs:
            assert before[step.session] == (needs[step.action], step.item_id)
        assert (step.value == 9.5) is (step.action is Action.PURCHASE)
        before[step.session] = (step.action, step.item_id)
        seen[step.action] += 1
    assert seen[Action.VIEW] > seen[Action.CLICK] > seen[Action.ADD_TO_CART] > seen[Action.PURCHASE] > 50


def test_without_prices_users_rate_instead_of_buying() -> None:
    shoppers = Shoppers(_pool(priced=False), 30, 4)
    steps = [shoppers.step() for _ in range(2_000)]
    assert {step.action for step in steps} == {Action.VIEW, Action.CLICK, Action.RATE}
    assert all(0.5 <= (step.value or 0) <= 5 for step in steps if step.action is Action.RATE)


def test_users_mostly_view_one_category() -> None:
    shoppers = Shoppers(_pool(), 10, 9)
    views: dict[int, Counter[str]] = {}
    for _ in range(8_000):
        step = shoppers.step()
        if step.action is Action.VIEW:
            views.setdefault(step.user, Counter())[f"c{int(step.item_id[1:]) % 40:02d}"] += 1
    favourite = sum(counts.most_common(1)[0][1] for counts in views.values())
    assert favourite / sum(sum(counts.values()) for counts in views.values()) > 0.5


def test_a_pool_does_not_depend_on_the_order_of_the_catalogue() -> None:
    frame = pl.DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "categories": [["x"], [], ["y"]],
            "rating_count": [1, None, 3],
            "price": [1.0, None, 2.0],
        }
    )
    assert make_pool([frame]).sha256 == make_pool([frame[2:], frame[:2]]).sha256
    with pytest.raises(SaranError, match="empty"):
        make_pool([frame.clear()])


def _event(name: str) -> Event:
    return Event.model_validate(
        {
            "event_id": name,
            "event_time": "2015-06-02T05:02:12.117Z",
            "user_id": "u",
            "item_id": "i",
            "action": "view",
            "source": "test",
        }
    )


def test_the_api_gets_the_same_ids_again_after_503_and_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        if len(bodies) == 1:
            return httpx.Response(503, text="Kafka is away")
        if len(bodies) == 2:
            raise httpx.ReadTimeout("no answer")
        return httpx.Response(202, json={"accepted": 1})

    monkeypatch.setattr(channels, "_FIRST_BACKOFF", 0.001)
    client = httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer))
    with ApiChannel(Settings(), client=client) as channel:
        channel.send([_event("a"), _event("b")])
        assert channel.retries == 2
    assert len(set(bodies)) == 1
    assert [event["event_id"] for event in json.loads(bodies[0])] == ["a", "b"]


def test_what_the_api_refuses_is_not_tried_again() -> None:
    client = httpx.Client(
        base_url="http://api", transport=httpx.MockTransport(lambda _: httpx.Response(422, text="element 0: item_id"))
    )
    with ApiChannel(Settings(), client=client) as channel, pytest.raises(SaranError, match="422 element 0: item_id"):
        channel.send([_event("a")])


def test_an_api_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "PATIENCE_SECONDS", 0.5)
    client = httpx.Client(base_url="http://api", transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    with ApiChannel(Settings(), client=client) as channel, pytest.raises(SaranError, match="takes no events"):
        channel.send([_event("a")])


@pytest.fixture
def settings(kafka: Server, test_settings: Settings, tmp_path: Path) -> Settings:
    return own_settings(test_settings, tmp_path / "home")


@pytest.mark.kafka
def test_events_arrive_at_the_rate_with_ids_that_the_seed_gives(settings: Settings) -> None:
    load("movielens", settings, LoadOptions(limit=1), quiet)
    options = SimulateOptions(users=20, rate=100, minutes=1 / 30, seed=11)
    summaries = [simulate("movielens", settings, options, quiet) for _ in range(2)]
    for summary in summaries:
        # Two seconds at 100 a second; a busy machine may fall behind, never run ahead.
        assert 20 <= summary.events <= 205
        assert sum(summary.actions.values()) == summary.events
    values = [record.value for record in read_topic(settings, settings.events_topic)]
    simulated = [value for value in values if value["source"] == "movielens-simulated"]
    assert len(simulated) == sum(summary.events for summary in summaries)
    assert len({value["event_id"] for value in simulated}) == max(summary.events for summary in summaries)
    catalogue = {record.value["item_id"] for record in read_topic(settings, Topic.CATALOG) if "item_id" in record.value}
    assert {value["item_id"] for value in simulated} <= catalogue


@pytest.mark.kafka
def test_ctrl_c_ends_with_a_summary_of_what_kafka_has(settings: Settings) -> None:
    load("movielens", settings, LoadOptions(limit=1), quiet)
    with running(settings, "simulate", "--dataset", "movielens", "--rate", "200", "--json") as process:
        wait_for(settings, 50, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert json.loads(out)["events"] == arrived(settings) - 1
