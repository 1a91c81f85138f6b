"""All items, users or events out of the installation, and into one: a line of JSON each, as Kafka has them."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from saran.api.acknowledge import KAFKA_AWAY, acknowledged
from saran.api.event_list import Record, read_elements, sort_out
from saran.api.lake_rows import Part, RowsAwayError, given, table_rows, user_rows
from saran.api.ndjson import MEDIA_TYPE
from saran.api.problem import Problem, fault, faulty
from saran.api.state import State, state_of
from saran.core import limits
from saran.core.api_shapes import Fault, Imported, Kind
from saran.core.entities import EVENT_ARROW, ITEM_ARROW, Item, User, format_time
from saran.core.names import Table, Topic

router = APIRouter(tags=["transfer"])

_RETRY_SECONDS: Final = 5
_LINES: Final = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "description": "A line of JSON each"}}}}


@router.get(
    "/export/{kind}",
    response_class=Response,
    responses={
        200: {**_LINES, "description": "Lines of JSON, as /import takes them"},
        503: {"description": "The lakehouse or PostgreSQL is away"},
    },
    summary="All items, users or events",
)
async def export(state: Annotated[State, Depends(state_of)], kind: Kind) -> StreamingResponse:
    """Items and events as silver has them at one version, users as the online store has them. An answer that could not
    be made to its end is cut off, which clients see as a broken connection.
    """
    parts = _parts(state, kind)
    try:
        nothing: Part = []
        first = await run_in_threadpool(next, parts, nothing)
    except RowsAwayError as error:
        raise Problem(503, f"{kind} cannot be read ({error})", retry_after=_RETRY_SECONDS) from error
    return StreamingResponse(map(_as_lines, itertools.chain([first], parts)), media_type=MEDIA_TYPE)


@router.post(
    "/import/{kind}",
    status_code=202,
    responses={
        **KAFKA_AWAY,
        207: {"model": Imported, "description": "Kafka has the good lines; `errors` names the others"},
        413: {"description": "A line is longer than a megabyte"},
        422: {"description": "No line is one of them"},
    },
    openapi_extra={"requestBody": {**_LINES, "required": True}},
    summary="Items, users or events from elsewhere",
)
async def import_lines(
    state: Annotated[State, Depends(state_of)],
    kind: Kind,
    request: Request,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=limits.MAX_ID_LENGTH)] = None,
) -> Imported:
    """Of any length: lines go to Kafka while they arrive. Statuses are as those of POST /stream/events.

    When Kafka goes away in the middle, 503 says how many lines it has. What is sent again changes nothing: items and
    users replace what was said before, events keep their event_id, or the one that Idempotency-Key and line give them.
    """
    done = Imported(lines=0, accepted=0, refused=0, errors=[])
    async for lines in _blocks(request):
        records, refused, faults = _KINDS[kind](lines, done.lines, idempotency_key)
        try:
            if records:
                await acknowledged(state, _topic(state, kind), records)
        except Problem as problem:
            problem.detail = f"the first {done.lines} lines were taken; {problem.detail}"
            raise
        done = Imported(
            lines=done.lines + len(lines),
            accepted=done.accepted + len(lines) - refused,
            refused=done.refused + refused,
            errors=[*done.errors, *faults][: limits.MAX_IMPORT_ERRORS],
        )
    if not done.accepted:
        raise faulty(done.errors or [fault(("body",), "holds no line")])
    if done.refused:
        response.status_code = 207
    return done


def _parts(state: State, kind: Kind) -> Iterator[Part]:
    if kind == "users":
        return user_rows(state.settings)
    if kind == "items":
        return table_rows(state.settings, Table.SILVER_ITEMS, ITEM_ARROW.names)
    return table_rows(state.settings, Table.SILVER_EVENTS, EVENT_ARROW.names)


def _as_lines(part: Part) -> bytes:
    return b"".join(json.dumps(given(row), ensure_ascii=False, default=_text).encode() + b"\n" for row in part)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return format_time(value)
    raise TypeError(f"a {type(value).__name__} has no JSON")


def _topic(state: State, kind: Kind) -> str:
    return {"items": Topic.CATALOG, "users": Topic.USERS, "events": state.settings.events_topic}[kind]


class _Read(NamedTuple):
    records: list[Record]
    refused: int
    faults: list[Fault]


def _events(lines: Sequence[bytes], first: int, key: str | None) -> _Read:
    found = sort_out(read_elements(lines), key, now=datetime.now(UTC), first=first)
    return _Read(found.records, found.event_ids.count(None), found.faults)


def _entities(entity: type[BaseModel], name: str) -> Callable[[Sequence[bytes], int, str | None], _Read]:
    def read(lines: Sequence[bytes], first: int, _key: str | None) -> _Read:
        found = _Read([], 0, [])
        for index, line in enumerate(lines, start=first):
            try:
                one = entity.model_validate_json(line)
            except ValidationError as error:
                told = [fault(("body", index, *fault_["loc"]), fault_["msg"]) for fault_ in error.errors()[:1]]
                found = _Read(found.records, found.refused + 1, [*found.faults, *told])
                continue
            found.records.append((getattr(one, name), one.model_dump_json(exclude_none=True)))
        return found

    return read


_KINDS: Final[dict[Kind, Callable[[Sequence[bytes], int, str | None], _Read]]] = {
    "items": _entities(Item, "item_id"),
    "users": _entities(User, "user_id"),
    "events": _events,
}


async def _blocks(request: Request) -> AsyncIterator[list[bytes]]:
    """The body's lines, as many at a time as a request of events may hold; empty ones are none."""
    rest = b""
    lines: list[bytes] = []
    async for chunk in request.stream():
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > limits.MAX_LINE_BYTES or any(len(line) > limits.MAX_LINE_BYTES for line in whole):
            raise Problem(413, f"a line is longer than {limits.MAX_LINE_BYTES} bytes")
        lines += [line for line in whole if line.strip()]
        while len(lines) >= limits.MAX_EVENTS_PER_REQUEST:
            yield lines[: limits.MAX_EVENTS_PER_REQUEST]
            lines = lines[limits.MAX_EVENTS_PER_REQUEST :]
    if rest.strip():
        lines.append(rest)
    if lines:
        yield lines
