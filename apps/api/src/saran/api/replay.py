"""Records of silver.rejected as they would be sent again: corrected or as they are, judged as `ingest` judges them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import pyarrow.dataset as ds
from pydantic import BaseModel

from saran.api.lake_rows import Part, table_rows
from saran.core.entities import Event, Item
from saran.core.json_text import event_to_json, item_to_json
from saran.core.names import Table, Topic
from saran.core.replay_shapes import ReplayRequest, StillRefused
from saran.core.settings import Settings
from saran.core.verdicts import Rejection, judge

_COLUMNS: Final = ["content_id", "topic", "reason", "value"]


class Mended(NamedTuple):
    """A record that may be sent."""

    topic: str
    key: str
    value: str


def refused_rows(settings: Settings, asked: ReplayRequest) -> Iterator[Part]:
    """The rows that are asked for, part by part. Raises RowsAwayError."""
    if asked.records:
        where = ds.field("content_id").isin([one.content_id for one in asked.records])
    else:
        # Of the two one at least is given.
        wanted = {"topic": asked.topic, "reason": asked.reason}
        first, *rest = [ds.field(name) == value for name, value in wanted.items() if value is not None]
        where = first & rest[0] if rest else first
    return table_rows(settings, Table.SILVER_REJECTED, _COLUMNS, where=where)


def mend(settings: Settings, row: Mapping[str, Any], correction: str | None, now_ms: int) -> Mended | StillRefused:
    """What is sent in place of a refused record. An event that is corrected and names no id gets one of the record.

    So whoever replays a record twice sends one event: `ingest` and the worker know it by its event_id.
    """
    topic, content_id = row["topic"], row["content_id"]
    entities: dict[str, type[BaseModel]] = {settings.events_topic: Event, Topic.CATALOG: Item}
    entity = entities.get(topic)
    if entity is None:
        return StillRefused(content_id=content_id, topic=topic, reason=f"nothing is replayed to {topic}")
    value = row["value"] if correction is None else _identified(correction, entity, f"replayed-{content_id}")
    found = judge(entity, value, now_ms)
    if isinstance(found, Event):
        return Mended(topic, found.user_id, event_to_json(found))
    if isinstance(found, Item):
        return Mended(topic, found.item_id, item_to_json(found))
    reason = found.reason if isinstance(found, Rejection) else "it is neither an event nor an item"
    return StillRefused(content_id=content_id, topic=topic, reason=reason)


def _identified(text: str, entity: type[BaseModel], event_id: str) -> bytes:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text.encode()
    if entity is Event and isinstance(found, dict) and "event_id" not in found:
        return json.dumps({"event_id": event_id, **found}).encode()
    return text.encode()
