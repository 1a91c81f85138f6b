"""A split of anonymous sessions that is given as files: item sequences to learn from, and next items to look for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import IntArray
from saran.core.errors import SaranError
from saran.spark.split_files import text_lines

SLICES: Final = 10
"""A fold holds this part of the sessions."""

MOST_CASES: Final = 5_000
"""Next items looked for in a fold; more are drawn from."""


class Sequences(NamedTuple):
    """Items in the order they were met; those of sequence s are items[starts[s]] … items[starts[s + 1] - 1]."""

    starts: NDArray[np.int64]
    items: NDArray[np.int32]

    def part(self, first: int, stop: int) -> Sequences:
        """Sequences `first` to `stop` - 1, numbered from 0."""
        starts = self.starts[first : stop + 1]
        return Sequences(starts - starts[0], self.items[starts[0] : starts[-1]])

    @property
    def size(self) -> int:
        """How many sequences there are."""
        return len(self.starts) - 1

    def lengths(self) -> NDArray[np.int64]:
        """Of each sequence."""
        return np.diff(self.starts)

    def sequence_of(self) -> NDArray[np.int64]:
        """The sequence of each item."""
        return np.repeat(np.arange(self.size), self.lengths())

    def from_end(self) -> NDArray[np.int64]:
        """For each item how many places it is from its sequence's end; the last item is 1 from it."""
        return self.starts[self.sequence_of() + 1] - np.arange(len(self.items))


class Cases(NamedTuple):
    """What sessions began with, and what came next; three of one length."""

    prefixes: Sequences
    wanted: IntArray
    """The next item; -1 for one that training does not have, which nobody can find."""
    sessions: IntArray
    """Which session the case is of, from 0, for the interval: cases of one session are not independent."""


@dataclass(frozen=True)
class SessionSplit:
    """Items are those of training, numbered in the order of `item_ids`; sessions are oldest first."""

    item_ids: list[str]
    train: Sequences
    test: Cases


class SessionFold(NamedTuple):
    """Older sessions to learn from, and what to look for in the ones after them."""

    learnt: Sequences
    cases: Cases


def read_sessions(train: Path, test: Path) -> SessionSplit:
    """Read sessions: in `train` a session's items a line, blanks between, oldest session first; in `test`
    `prefix<TAB>next`.

    Items of a prefix that training does not have are left out of it. Raises SaranError naming the line that cannot be
    read, or what the files lack.
    """
    sessions = []
    for number, line in text_lines(train):
        if "\t" in line:
            raise SaranError(
                f"{train}, line {number}, has a tab: it is not the items of a session",
                fix="write `item item …` with blanks; lines of `prefix<TAB>next` belong into --test",
            )
        sessions.append(line.split())
    item_ids = sorted({item for session in sessions for item in session})
    index = {item: code for code, item in enumerate(item_ids)}
    cases: list[tuple[list[str], str]] = []
    for number, line in text_lines(test):
        prefix, tab, following = line.partition("\t")
        if not (tab and prefix.split() and len(following.split()) == 1):
            raise SaranError(
                f"{test}, line {number}, is not a prefix, a tab and one next item",
                fix="write `item item …<TAB>next`; whole sessions belong into --train",
            )
        cases.append((prefix.split(), following.strip()))
    wanted = np.array([index.get(following, -1) for _, following in cases], dtype=np.int64)
    prefixes = [[index[item] for item in prefix if item in index] for prefix, _ in cases]
    numbered = [[index[item] for item in session] for session in sessions]
    return SessionSplit(item_ids, sequences(numbered), Cases(sequences(prefixes), wanted, _sessions_of(cases)))


def sequences(rows: Sequence[Sequence[int]]) -> Sequences:
    """Item indices by sequence as arrays."""
    starts = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=starts[1:])
    return Sequences(starts, np.array([item for row in rows for item in row], dtype=np.int32))


def make_session_folds(train: Sequences, *, count: int, seed: int) -> list[SessionFold]:
    """Fold 0 looks for items of the newest 1 / `SLICES` of the sessions, fold 1 for those of the ones before.

    What a fold learns from is always older. A session is looked at after each of its items, as far as another follows
    and the prefix is not shorter than the shortest session less one: sessions that shorter ones belong to were left
    out. At most `MOST_CASES` are looked for, drawn by `seed`.
    Raises SaranError for too few sessions.
    """
    size = train.size // SLICES
    if not size:
        raise SaranError(
            f"{train.size} sessions are too few to choose parameters on", fix=f"give {SLICES} sessions or more"
        )
    shortest = max(1, int(train.lengths().min()) - 1)
    folds = []
    for number in range(count):
        stop = train.size - number * size
        cases = _cases(train.part(stop - size, stop), shortest, seed)
        if not len(cases.wanted):
            raise SaranError("training holds only sessions of one item", fix="give sessions of 2 items or more")
        folds.append(SessionFold(train.part(0, stop - size), cases))
    return folds


def _cases(held: Sequences, shortest: int, seed: int) -> Cases:
    session = held.sequence_of()
    place = np.arange(len(held.items)) - held.starts[session]
    chosen = np.flatnonzero(place >= shortest)
    if len(chosen) > MOST_CASES:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, MOST_CASES, replace=False))
    rows = [held.items[held.starts[session[at]] : at].tolist() for at in chosen]
    return Cases(sequences(rows), held.items[chosen].astype(np.int64), session[chosen])


def _sessions_of(cases: Sequence[tuple[list[str], str]]) -> IntArray:
    """Neighbouring lines are of one session where one is the other with its next item added."""
    new = [True] + [
        [*prefix, following] != before and [*before, following_before] != prefix
        for (before, following_before), (prefix, following) in pairwise(cases)
    ]
    return np.cumsum(new) - 1
