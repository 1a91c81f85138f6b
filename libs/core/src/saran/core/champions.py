"""Which versions of a model were the champion, one after the other: what a rollback goes back by.

    models/<name>/champion         the served version, as text; it is moved first, and is the truth
    models/<name>/champions.json   how it came there, see `Move`; oldest first

A move that was cut off between the two is found by the next one, which completes the record.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from saran.core.errors import SaranError
from saran.core.s3 import Location, replace_text
from saran.core.versions import champion, set_champion

RECORD: Final = "champions.json"
_KEPT: Final = 1000
"""Newest moves that the record holds."""


class Move(BaseModel):
    """A version became the champion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    at: datetime
    kind: Literal["promotion", "rollback"]
    """A rollback takes away the last promotion, so the next one goes back further."""
    why: str


_MOVES: Final = TypeAdapter(list[Move])


def promote(models: Location, name: str, version: str, *, why: str) -> None:
    """Make `version` the champion. Raises ModelError when there is no such version."""
    _move(models, name, Move(version=version, at=datetime.now(UTC), kind="promotion", why=why))


def roll_back(models: Location, name: str, *, why: str) -> str:
    """Make the champion before this one the champion again, and give its name.

    Raises SaranError when there was none before, and ModelError when it is gone.
    """
    version = previous(models, name)
    if version is None:
        raise SaranError(
            f"{name} has had no champion before {champion(models, name)}",
            fix="choose a version of `saran models list` and run `saran models promote VERSION`",
        )
    _move(models, name, Move(version=version, at=datetime.now(UTC), kind="rollback", why=why))
    return version


def previous(models: Location, name: str) -> str | None:
    """The champion that a rollback would bring back, None when there was none."""
    line = _line(_complete(models, name))
    return line[-2] if len(line) > 1 else None


def moves(models: Location, name: str) -> list[Move]:
    """All moves that are on record, oldest first."""
    try:
        return _MOVES.validate_json((models / name / RECORD).read_bytes())
    except FileNotFoundError:
        return []


def mend(models: Location, name: str) -> str | None:
    """Complete the record with a move that was cut off or made by hand; says so when there was one."""
    found = _complete(models, name)
    if found == moves(models, name):
        return None
    _write(models, name, found)
    return f"the champion of {name} is {found[-1].version}, of which there was no record: completed"


def _move(models: Location, name: str, move: Move) -> None:
    before = _complete(models, name)
    if before and before[-1].version == move.version:
        _write(models, name, before)
        return
    set_champion(models, name, move.version)
    _write(models, name, [*before, move])


def _write(models: Location, name: str, found: list[Move]) -> None:
    replace_text(models / name / RECORD, _MOVES.dump_json(found[-_KEPT:], indent=1).decode() + "\n")


def _complete(models: Location, name: str) -> list[Move]:
    """The moves that led to the champion, with one that is not on record."""
    found = moves(models, name)
    served = champion(models, name)
    line = _line(found)
    if served is None or (line and line[-1] == served):
        return found
    kind: Literal["promotion", "rollback"] = "rollback" if len(line) > 1 and line[-2] == served else "promotion"
    return [*found, Move(version=served, at=datetime.now(UTC), kind=kind, why="found so: the record ended before it")]


def _line(found: list[Move]) -> list[str]:
    """The champions that a rollback can go back by, the present one last."""
    line: list[str] = []
    for move in found:
        if move.kind == "promotion":
            line.append(move.version)
        elif len(line) > 1:
            line.pop()
        else:
            line = [move.version]
    return line
