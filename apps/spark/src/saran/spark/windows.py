"""The options of every `saran train` command that choose its training window."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from saran.core.errors import SaranError
from saran.core.window import Window

Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only events from this time on, such as 2015-06-01 or 2015-06-01T12:00Z"),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only events before this time")]
FromBatch = Annotated[int | None, typer.Option(metavar="A", help="Only events of the load's micro-batches from A on")]
ToBatch = Annotated[int | None, typer.Option(metavar="B", help="Only events of micro-batches up to B, B itself inside")]


def window_of(since: str | None, until: str | None, from_batch: int | None, to_batch: int | None) -> Window:
    """The window that a command line asks for. Times without a zone are UTC. Raises SaranError when it is none."""
    try:
        return Window(since=_time(since), until=_time(until), from_batch=from_batch, to_batch=to_batch)
    except (ValidationError, ValueError) as error:
        reasons = [detail["msg"] for detail in error.errors()] if isinstance(error, ValidationError) else [str(error)]
        raise SaranError(
            f"this is no training window: {'; '.join(reasons)}",
            fix="give times as 2015-06-01T00:00Z and batches from 1, the earlier one first",
        ) from error


def moment_of(text: str, option: str) -> datetime:
    """The time that an option's text is, in UTC without a zone. Raises typer.BadParameter when it is none."""
    try:
        moment = _time(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}: give it as 2015-06-01T00:00Z", param_hint=option) from error
    assert moment is not None  # noqa: S101 - there is a text
    return moment


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
