"""One event or item as JSON, the value of a Kafka record; `saran.core.codec` does the same for whole columns."""

from __future__ import annotations

from saran.core.entities import Event, Item, User


def event_to_json(event: Event) -> str:
    """JSON of one event; means the same as what encode_events gives."""
    return event.model_dump_json(exclude_none=True)


def item_to_json(item: Item) -> str:
    """JSON of one item; means the same as what encode_items gives."""
    return item.model_dump_json(exclude_none=True)


def user_to_json(user: User) -> str:
    """JSON of one user."""
    return user.model_dump_json(exclude_none=True)
