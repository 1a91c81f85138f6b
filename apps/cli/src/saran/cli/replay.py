"""`saran replay`: refused records, sent again by the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError
from rich.markup import escape

from saran.cli.console import err, out
from saran.client import Client
from saran.core.errors import SaranError
from saran.core.limits import MAX_EVENTS_PER_REQUEST
from saran.core.replay_shapes import MOST_TOLD, Correction, Replay, ReplayRequest
from saran.core.settings import load_settings


def replay(*, reason: str | None, topic: str | None, corrected: Path | None, as_json: bool) -> int:
    """Ask for it and tell what became of the records; the exit code. Raises SaranError."""
    if (corrected is None) == (reason is None and topic is None):
        raise SaranError("which records?", fix="give either --corrected FILE, or --topic or --reason")
    settings = load_settings()
    asked = _corrections(corrected) if corrected is not None else iter([ReplayRequest(topic=topic, reason=reason)])
    done = Replay(found=0, replayed=0, refused=0, still_refused=[], unknown=[])
    with Client(settings.api_url, key=settings.api_key.get_secret_value()) as client:
        for one in asked:
            done = _sum(done, client.replay(one))
    if as_json:
        out.print_json(done.model_dump_json())
    else:
        _tell(done)
    return 1 if done.refused or done.unknown else 0


def _corrections(file: Path) -> Iterator[ReplayRequest]:
    """The file's lines, as many at a time as one request holds."""
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise SaranError(f"{file} cannot be read: {error}", fix="name a file of lines of JSON") from error
    if not lines:
        raise SaranError(f"{file} holds no line", fix='write {"content_id": …, "value": …} a line')
    records = [_correction(file, number, line) for number, line in enumerate(lines, start=1)]
    for start in range(0, len(records), MAX_EVENTS_PER_REQUEST):
        yield ReplayRequest(records=records[start : start + MAX_EVENTS_PER_REQUEST])


def _correction(file: Path, number: int, line: str) -> Correction:
    """A value that is an object is its JSON."""
    try:
        given = json.loads(line)
        if isinstance(given, dict) and isinstance(given.get("value"), dict):
            given["value"] = json.dumps(given["value"])
        return Correction.model_validate(given)
    except ValidationError as error:
        why = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    except (ValueError, RecursionError) as error:
        why = str(error)
    raise SaranError(f"{file}, line {number}: {why}", fix='write {"content_id": …, "value": …} a line')


def _sum(one: Replay, more: Replay) -> Replay:
    return Replay(
        found=one.found + more.found,
        replayed=one.replayed + more.replayed,
        refused=one.refused + more.refused,
        still_refused=[*one.still_refused, *more.still_refused][:MOST_TOLD],
        unknown=[*one.unknown, *more.unknown],
    )


def _tell(done: Replay) -> None:
    out.print(
        f"{done.found:,} found, {done.replayed:,} replayed, {done.refused:,} refused again, "
        f"{len(done.unknown):,} unknown",
        highlight=False,
    )
    for one in done.still_refused:
        err.print(f"  {escape(one.content_id)} ({escape(one.topic)}): {escape(one.reason)}", highlight=False)
    for content_id in done.unknown:
        err.print(f"  {escape(content_id)}: silver.rejected has no such record", highlight=False)
