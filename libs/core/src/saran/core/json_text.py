"""One event or item as JSON, the value of a Kafka record; `saran.core.codec` does the same for whole columns."""

from __future__ import annotations

import json

from saran.core.entities import Event, Item, User
from saran.core.limits import MAX_RAW_LENGTH


def event_to_json(event: Event) -> str:
    """JSON of one event; means the same as what encode_events gives."""
    return event.model_dump_json(exclude_none=True)


def refused_to_json(event_id: str, source: str, reason: str, raw: str) -> str:
    """JSON of what was no event, as encode_rejected gives it: `ingest` puts it into silver.rejected with the reason."""
    told = {"event_id": event_id, "source": source, "error": reason, "raw": raw[:MAX_RAW_LENGTH]}
    return json.dumps(told, ensure_ascii=False)


def item_to_json(item: Item) -> str:
    """JSON of one item; means the same as what encode_items gives."""
    return item.model_dump_json(exclude_none=True)


def user_to_json(user: User) -> str:
    """JSON of one user."""
    return user.model_dump_json(exclude_none=True)
