"""The elements of a list of events, each taken or refused by itself."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from saran.api.problem import fault
from saran.core import limits
from saran.core.api_shapes import Fault, StreamEvent
from saran.core.entities import Event
from saran.core.json_text import event_to_json, refused_to_json

_SOURCE: Final = "api"
_MOST_FAULTS: Final = 10
"""Told of one element: an object of thousands of unknown members is wrong once."""

_APART: Final = timedelta(milliseconds=1)

Record = tuple[str, str | None]


class _Refused(NamedTuple):
    given: object
    faults: list[tuple[tuple[int | str, ...], str]]


def _or_refused(given: object, valid: ValidatorFunctionWrapHandler) -> object:
    try:
        return valid(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return _Refused(given, [(tuple(one["loc"]), one["msg"]) for one in found[:_MOST_FAULTS]])


StreamedEvent = Annotated[StreamEvent, WrapValidator(_or_refused)]
"""An element of a request's list; to be read by `sort_out` only, since it may be one that was refused."""

_elements: Final[TypeAdapter[list[StreamedEvent]]] = TypeAdapter(list[StreamedEvent])


class Sorted(NamedTuple):
    """What becomes of a list: `event_ids` has None where an element was refused, and `faults` says why."""

    event_ids: list[str | None]
    faults: list[Fault]
    records: list[Record]
    """Of Kafka's topic (key, value): the events, and of what was refused that it was, for `silver.rejected`."""


def read_elements(lines: Sequence[bytes]) -> list[StreamedEvent]:
    """Elements of which each is a line of JSON; one that is no JSON is an element of the wrong type."""
    return _elements.validate_python([_json(line) for line in lines])


def _json(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line.decode(errors="replace")


def sort_out(events: Sequence[StreamedEvent], key: str | None, *, now: datetime, first: int = 0) -> Sorted:
    """Complete the good elements and tell why the others are none. `key` is the request's Idempotency-Key.

    `first` is the place of the first of them, where they are a part of a longer list.
    """
    found = Sorted([], [], [])
    last = first + len(events) - 1
    for index, element in enumerate(cast("Sequence[StreamEvent | _Refused]", events), start=first):
        if isinstance(element, _Refused):
            faults = [fault(("body", index, *place), reason) for place, reason in element.faults]
            found.event_ids.append(None)
            found.faults.extend(faults)
            found.records.append(_refusal(element.given, faults, key, index))
            continue
        # Without this the events of one request would have no order in a history.
        moment = now - (last - index) * _APART
        event = _complete(element, key, index, moment)
        found.event_ids.append(event.event_id)
        found.records.append((event.user_id, event_to_json(event)))
    return found


def _complete(event: StreamEvent, key: str | None, index: int, moment: datetime) -> Event:
    content = event.model_dump_json(exclude_none=True)
    event_id = event.event_id or _made_id(key, index, content)
    given = event.model_dump(exclude={"event_id", "event_time"})
    return Event(event_id=event_id, event_time=event.event_time or moment, **given)


def _refusal(given: object, faults: Sequence[Fault], key: str | None, index: int) -> Record:
    """In the form in which `saran load` tells of a row that it cannot read; the key lets an erasure find it."""
    content = json.dumps(given)
    members = given if isinstance(given, dict) else {}
    event_id = _identifier(members.get("event_id")) or _made_id(key, index, content)
    reason = "; ".join(f"{one.field}: {one.reason}" for one in faults)
    return _identifier(members.get("user_id")) or event_id, refused_to_json(event_id, _SOURCE, reason, content)


def _identifier(given: Any) -> str | None:
    """An id as far as it can be told."""
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    readable = 0 < len(text) <= limits.MAX_ID_LENGTH and text.isprintable()
    return text if readable else None


def _made_id(key: str | None, index: int, content: str) -> str:
    """Under a key that of its content too, so that a key used again for other events loses none."""
    if key is None:
        return uuid.uuid4().hex
    return hashlib.sha256(f"{key}\0{index}\0{content}".encode()).hexdigest()[:32]
