"""Refused records, sent again: what is right now goes to its topic under one event_id, the rest is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Consumer, TopicPartition
from deltalake import write_deltalake

from saran.api.replay import Mended, mend, refused_rows
from saran.client import ApiError, Client
from saran.core.api_keys import key_line
from saran.core.names import Table
from saran.core.replay_shapes import Correction, ReplayRequest, StillRefused
from saran.core.settings import Settings
from saran.spark.lake_schemas import REJECTED

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
NOW_MS = int(NOON.timestamp() * 1000)
GOOD = {"event_id": "e1", "event_time": "2026-05-04T11:00:00Z", "user_id": "u", "item_id": "i", "action": "view"}
GOOD["source"] = "shop"


def row(content_id: str, value: Any, topic: str = "events", reason: str = "item_id: Field required") -> dict[str, Any]:
    raw = value if isinstance(value, str) else json.dumps(value)
    return {
        "event_id": None, "reason": reason, "raw": raw, "value": raw.encode(), "key": None, "topic": topic,
        "partition": 0, "offset": 1, "timestamp": NOON, "ingested_at": NOON, "content_id": content_id,
    }  # fmt: skip


def refuse(settings: Settings, *rows: dict[str, Any]) -> None:
    folder = settings.table_folder(Table.SILVER_REJECTED)
    write_deltalake(str(folder), pa.Table.from_pylist(list(rows), REJECTED), mode="append")


def mended(one: dict[str, Any], correction: Any = None) -> Mended | StillRefused:
    text = correction if correction is None or isinstance(correction, str) else json.dumps(correction)
    return mend(Settings(), one, text, NOW_MS)


def test_a_record_that_is_right_now_is_sent_as_it_is() -> None:
    found = mended(row("c", {**GOOD, "user_id": 7}))
    assert isinstance(found, Mended)
    assert (found.topic, found.key) == ("events", "7")
    assert json.loads(found.value)["event_id"] == "e1"
    item = mended(row("c", {"item_id": "i", "title": "Lamp"}, "catalog"))
    assert isinstance(item, Mended)
    assert (item.topic, item.key, json.loads(item.value)["title"]) == ("catalog", "i", "Lamp")


def test_a_correction_without_an_id_gets_one_of_its_record() -> None:
    without = {name: value for name, value in GOOD.items() if name != "event_id"}
    first, second = mended(row("c", "junk"), without), mended(row("c", "junk"), without)
    assert first == second
    assert isinstance(first, Mended)
    assert json.loads(first.value)["event_id"] == "replayed-c"
    own = mended(row("c", "junk"), GOOD)
    assert isinstance(own, Mended)
    assert json.loads(own.value)["event_id"] == "e1"


@pytest.mark.parametrize(
    ("record", "correction", "reason"),
    [
        (row("c", {**GOOD, "action": "what"}), None, "action"),
        (row("c", "junk"), "still junk", "Invalid JSON"),
        (row("c", "junk"), {**GOOD, "event_time": "2026-05-06T00:00:00Z"}, "more than 86400 s ahead"),
        (row("c", {"event_id": "e", "source": "s", "error": "line 5: no item", "raw": "a,b"}), None, "line 5: no item"),
        (row("c", GOOD, topic="elsewhere"), None, "nothing is replayed to elsewhere"),
    ],
)
def test_what_is_wrong_is_refused_again(record: dict[str, Any], correction: Any, reason: str) -> None:
    found = mended(record, correction)
    assert isinstance(found, StillRefused)
    assert reason in found.reason


def test_which_records_are_meant(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    def found(**asked: Any) -> list[str]:
        parts = refused_rows(settings, ReplayRequest(**asked))
        return sorted(one["content_id"] for part in parts for one in part)

    assert found(topic="events") == []
    refuse(settings, row("a", "x"), row("b", "y", reason="other"), row("c", "z", "catalog"))
    assert found(topic="events") == ["a", "b"]
    assert found(reason="other") == ["b"]
    assert found(topic="catalog", reason="other") == []
    assert found(records=[Correction(content_id="c"), Correction(content_id="nowhere")]) == ["c"]


@pytest.mark.kafka
@pytest.mark.postgres
def test_the_api_sends_them_to_who_may(api: Any, settings: Settings, tmp_path: Path) -> None:
    topic = settings.events_topic
    refuse(settings, row("a", {**GOOD, "event_id": "e0"}, topic), row("b", "junk", topic), row("c", "junk", topic))
    keys = tmp_path / "keys"
    keys.write_text(key_line("shop", "s", "read,events") + "\n" + key_line("anna", "a", "admin"))
    api.start(SARAN_API_KEYS=str(keys))
    url = str(api.http.base_url)
    asked = ReplayRequest(records=[Correction(content_id="b", value=json.dumps(GOOD)), Correction(content_id="zz")])
    with Client(url, key="s") as shop, pytest.raises(ApiError, match="does not have the scope `admin`"):
        shop.replay(asked)
    with Client(url, key="a") as anna:
        first = anna.replay(asked)
        assert (first.found, first.replayed, first.refused, first.unknown) == (1, 1, 0, ["zz"])
        every = anna.replay(ReplayRequest(topic=topic))
        assert (every.found, every.replayed, every.refused) == (3, 1, 2)
        assert sorted(one.content_id for one in every.still_refused) == ["b", "c"]
    assert api.http.post("/system/rejected/replay", json={}, headers={"authorization": "Bearer a"}).status_code == 422
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "replay-test"})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(4)])
    sent = [json.loads(message.value() or b"") for message in consumer.consume(2, timeout=30)]
    consumer.close()
    assert sorted(one["event_id"] for one in sent) == ["e0", "e1"]
