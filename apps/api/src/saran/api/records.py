"""What Kafka brings, judged by the rules of `saran.core.entities.Event`.

What `ingest` rejects must not reach a history either, so limits are the same; here they are written for
msgspec, which is many times faster than building models.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np

from saran.api.history import EventColumns, event_hashes
from saran.core import limits
from saran.core.entities import ACTION_CODES, Action

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_ID_LENGTH)] | int
_ContextText = Annotated[str, msgspec.Meta(max_length=limits.MAX_CONTEXT_LENGTH)]


class _Record(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The JSON of an event; a record with an `error` is a source row that could not be read."""

    event_id: _Id
    event_time: Annotated[datetime, msgspec.Meta(tz=True)]
    user_id: _Id
    item_id: _Id
    action: Action
    source: _Id
    value: Annotated[float, msgspec.Meta(ge=-limits.MAX_ABS_VALUE, le=limits.MAX_ABS_VALUE)] | None = None
    session_id: _Id | None = None
    transaction_id: _Id | None = None
    context: Annotated[dict[_ContextText, _ContextText], msgspec.Meta(max_length=limits.MAX_CONTEXT_KEYS)] | None = None

    def is_printable(self) -> bool:
        ids = (self.event_id, self.user_id, self.item_id, self.source, self.session_id, self.transaction_id)
        return not any(isinstance(text, str) and _CONTROL.search(text) for text in ids)


_decode: Final = msgspec.json.Decoder(_Record).decode


class Parsed(NamedTuple):
    """Events that may enter histories, the users they are of, and how many records may not."""

    user_ids: list[str]
    events: EventColumns
    rejected: int


def parse(values: Sequence[bytes | None], *, now: datetime) -> Parsed:
    """Read the values of records; `now` bounds how far ahead an event's time may lie."""
    latest = now + timedelta(seconds=limits.MAX_FUTURE_SECONDS)
    records: list[_Record] = []
    for value in values:
        try:
            record = _decode(value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        # In JSON a control character is an escape, or the bare DEL.
        if (b"\\" in value or b"\x7f" in value) and not record.is_printable():  # type: ignore[operator]
            continue
        if _EPOCH <= record.event_time <= latest:
            records.append(record)
    positions: dict[str, int] = {}
    users = np.array([positions.setdefault(str(r.user_id), len(positions)) for r in records], dtype=np.int64)
    events = EventColumns(
        users,
        [str(r.item_id) for r in records],
        np.array([ACTION_CODES[r.action] for r in records], dtype=np.int16),
        np.array([r.value for r in records], dtype=np.float32),
        np.array([(r.event_time - _EPOCH) // _MILLISECOND for r in records], dtype=np.int64),
        event_hashes([str(r.event_id) for r in records]),
    )
    return Parsed(list(positions), events, len(values) - len(records))
