"""From a click on a card to the list that knows of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from saran.client import ApiError, Client
from saran.core.api_shapes import Card, History, PastEvent, Recommendations, StreamEvent
from saran.core.entities import Action
from saran.dashboard.moves import Moves, moves

SOURCE: Final = "dashboard"
"""`source` of the events that this dashboard sends."""

PATIENCE: Final = 3.0
"""Seconds that a page waits for its event to reach the user's history before it says that it has not."""

_PAUSE: Final = 0.04
_RECENT: Final = 20


@dataclass(frozen=True)
class Sent:
    """An event that Kafka has acknowledged. `seconds` from then to the history that holds it; None: not in PATIENCE."""

    user_id: str
    card: Card
    event: PastEvent
    seconds: float | None
    before: tuple[str, ...]

    def moves(self, after: Recommendations) -> Moves | None:
        """What the event did to the list, while the list is of the same user and can know of the event."""
        if self.seconds is None or after.user_id != self.user_id:
            return None
        return moves(self.before, [item.item_id for item in after.items], used=self.card.item_id)

    def in_history(self, history: History) -> PastEvent | None:
        """The event as the history tells it, when it does."""
        return next((past for past in history.events if _same(self.event, past)), None)


def send(
    api: Client,
    user_id: str,
    card: Card,
    action: Action,
    *,
    session_id: str,
    value: float | None = None,
    before: Recommendations | None,
    clock: Callable[[], float] = time.monotonic,
    patience: float = PATIENCE,
) -> Sent:
    """Post the event and wait until the user's history holds it. Raises ApiError when it was not accepted."""
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    event = PastEvent(item_id=card.item_id, title=card.title, action=action, value=value, event_time=now)
    try:
        streamed = StreamEvent(
            user_id=user_id,
            item_id=card.item_id,
            action=action,
            event_time=now,
            value=value,
            session_id=session_id,
            source=SOURCE,
        )
    except ValidationError as error:
        raise ApiError(
            f"the user id cannot be sent: it {error.errors()[0]['msg']}", fix="choose another user"
        ) from error
    taken = api.send([streamed], idempotency_key=uuid.uuid4().hex)
    if taken.errors:
        raise ApiError(f"the event was refused: {taken.errors[0].field} {taken.errors[0].reason}")
    seconds = _wait_until_known(api, user_id, event, clock, patience)
    listed = tuple(item.item_id for item in before.items) if before and before.user_id == user_id else ()
    return Sent(user_id, card, event, seconds, listed)


def _wait_until_known(
    api: Client, user_id: str, event: PastEvent, clock: Callable[[], float], patience: float
) -> float | None:
    """Seconds until the user's history holds the event; None when it does not within `patience`."""
    start = clock()
    while clock() - start < patience:
        # The history itself is asked, not its length: a full history stays as long as it was.
        try:
            recent = api.history(user_id, limit=_RECENT).events
        except ApiError:
            recent = []  # the event is accepted: a history that cannot be read is one that does not hold it yet
        if any(_same(event, past) for past in recent):
            return clock() - start
        time.sleep(_PAUSE)
    return None


def _same(sent: PastEvent, past: PastEvent) -> bool:
    return (sent.item_id, sent.action, sent.event_time) == (past.item_id, past.action, past.event_time)
