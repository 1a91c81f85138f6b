"""A split that is given as files: what to learn from, what to look for, and, if wanted, what to rank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import FloatArray, IntArray, Interactions, interactions
from saran.core.errors import SaranError

EVERY_EVENT: Final = 2**62
"""A history length that leaves nothing out."""

_PAIR_FIELDS: Final = 4
"""user item rating timestamp"""


LineForm = Literal["auto", "pairs", "lists"]
"""What lines hold: `user item …`, where `pairs` have a rating and a timestamp behind, and `lists` more items."""


class Events(NamedTuple):
    """Events by user, each user's oldest first; four arrays of one length."""

    users: IntArray
    items: IntArray
    strengths: FloatArray
    """The rating, or 1 where the file has none."""
    times: FloatArray
    """Any unit; NaN where the file has none."""


@dataclass(frozen=True)
class Split:
    """Users and items are those of training, numbered in the order of `user_ids` and `item_ids`."""

    user_ids: list[str]
    item_ids: list[str]
    train: Events
    test_users: IntArray
    """-1 for a user without training events; shape (test users,)."""
    relevant: list[IntArray]
    """Items to be found for each test user; -1 for an item that training does not have, which nobody can find."""
    allowed: list[IntArray] | None = None
    """The items to rank for each test user; all when None."""

    def interactions(self) -> Interactions:
        """Strengths of training by user and item."""
        return summed(self.train)


def summed(events: Events) -> Interactions:
    """Strengths by user and item, where they are above 0."""
    return interactions(events.users, events.items, events.strengths, history=EVERY_EVENT)


def read_split(train: Path, test: Path, candidates: Path | None = None, *, test_form: LineForm = "auto") -> Split:
    """Read a split whose lines are `user item [rating [timestamp]]`, in `test` also `user item item …`.

    Fields stand between tabs, or between blanks in a line without a tab. A relevant item that the user has in
    training is left out, since no list shows it, and so is a user without another. `candidates` has lines of both
    kinds. Raises SaranError naming the line that cannot be read, or what the files lack.
    """
    users, items, strengths, times = _read_events(train)
    wanted = _read_lists(test, test_form)
    split, names = split_of(users, items, strengths, times, wanted)
    if not split.relevant:
        raise SaranError(f"{test} has no item that its user does not have in {train} already", fix="split anew")
    if candidates is None:
        return split
    item_index = {item: code for code, item in enumerate(split.item_ids)}
    return replace(split, allowed=_allowed(candidates, names, item_index))


def split_of(
    users: Sequence[str],
    items: Sequence[str],
    strengths: FloatArray,
    times: FloatArray,
    wanted: Mapping[str, Sequence[str]],
) -> tuple[Split, list[str]]:
    """The split of training events, in parallel, and of the items `wanted` by user; and the test users' names.

    Left out is a wanted item that the user has in training, and a user without another; there may be none.
    """
    user_ids, user_codes = np.unique(np.array(users), return_inverse=True)
    item_ids, item_codes = np.unique(np.array(items), return_inverse=True)
    order = np.lexsort((np.nan_to_num(times), user_codes))
    events = Events(user_codes[order], item_codes[order], strengths[order], times[order])
    user_index = {user: code for code, user in enumerate(user_ids.tolist())}
    item_index = {item: code for code, item in enumerate(item_ids.tolist())}
    known = _items_by_user(events, len(user_ids))
    test_users: list[int] = []
    names: list[str] = []
    relevant: list[IntArray] = []
    for user, row in wanted.items():
        code = user_index.get(user, -1)
        sought = np.array([item_index.get(item, -1) for item in dict.fromkeys(row)], dtype=np.int64)
        if code >= 0:
            sought = sought[~np.isin(sought, known[code])]
        if len(sought):
            test_users.append(code)
            names.append(user)
            relevant.append(sought)
    return Split(user_ids.tolist(), item_ids.tolist(), events, np.array(test_users), relevant), names


def _allowed(file: Path, names: list[str], item_index: dict[str, int]) -> list[IntArray]:
    rows = _read_lists(file, "auto")
    missing = [name for name in names if name not in rows]
    if missing:
        raise SaranError(
            f"{file} has no candidates for {len(missing)} of {len(names)} test users, such as {missing[0]!r}",
            fix="give each test user a line, or leave --candidates out",
        )
    return [np.unique([item_index[item] for item in rows[name] if item in item_index]).astype(int) for name in names]


def _items_by_user(events: Events, users: int) -> list[IntArray]:
    return np.split(events.items, np.searchsorted(events.users, np.arange(1, users)))


def _read_events(file: Path) -> tuple[list[str], list[str], FloatArray, FloatArray]:
    users: list[str] = []
    items: list[str] = []
    ratings: list[float] = []
    times: list[float] = []
    for number, fields in _lines(file):
        if not 2 <= len(fields) <= _PAIR_FIELDS:
            _refuse(file, number, f"{len(fields)} fields")
        users.append(fields[0])
        items.append(fields[1])
        ratings.append(_number(file, number, "rating", fields[2]) if len(fields) > 2 else 1.0)
        times.append(_number(file, number, "timestamp", fields[3]) if len(fields) > 3 else np.nan)
    return users, items, np.array(ratings), np.array(times)


def _read_lists(file: Path, form: LineForm) -> dict[str, list[str]]:
    """Items by user, in the order of the file."""
    lines = list(_lines(file))
    if form == "auto":
        form = _form(file, [fields for _, fields in lines])
    rows: dict[str, list[str]] = {}
    for number, fields in lines:
        if len(fields) < 2:
            _refuse(file, number, "no item")
        rows.setdefault(fields[0], []).extend(fields[1:] if form == "lists" else fields[1:2])
    return rows


def _form(file: Path, lines: list[list[str]]) -> LineForm:
    """Told from the lines: lists differ in length, and have one line a user."""
    lengths = {len(fields) for fields in lines}
    if len(lengths) > 1 or max(lengths) > _PAIR_FIELDS:
        return "lists"
    if lengths == {2} or len({fields[0] for fields in lines}) < len(lines):
        return "pairs"
    raise SaranError(
        f"{file} has one line a user and {max(lengths)} fields in each: these could be ratings, or lists of items",
        fix="say which with --test-format pairs or --test-format lists",
    )


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Numbers, from 1, and fields of the lines that are not empty. Raises SaranError when there is none."""
    for number, text in text_lines(file):
        yield number, text.split("\t") if "\t" in text else text.split()


def text_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Numbers, from 1, and texts of the lines that are not empty. Raises SaranError when there is none."""
    some = False
    try:
        with file.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                text = line.strip()
                if text:
                    some = True
                    yield number, text
    except (OSError, UnicodeDecodeError) as error:
        raise SaranError(f"{file} cannot be read: {error}", fix="name a text file in UTF-8") from error
    if not some:
        raise SaranError(f"{file} has no lines", fix="fill it; docs/evaluation.md says with what")


def _number(file: Path, number: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        _refuse(file, number, f"the {name} {text!r}")
    if not np.isfinite(value):
        _refuse(file, number, f"the {name} {text!r}")
    return value


def _refuse(file: Path, number: int, what: str) -> NoReturn:
    raise SaranError(f"{file}, line {number}, has {what}", fix="write `user item [rating [timestamp]]` with tabs")


def fold(events: Events, number: int, *, folds: int, seed: int) -> tuple[Events, Events]:
    """Part `events` into what to learn from and what to look for, for choosing parameters.

    With times, the users' newest 1 / folds of events (at least 1) are looked for in fold 0, in fold 1 the next older,
    and so on, and what is learnt from is always older. Without, they are drawn by `seed`, and everything else is
    learnt from. A user of one event stays whole.
    """
    lengths = np.bincount(events.users)
    count = lengths[events.users]
    starts = np.cumsum(lengths) - lengths
    timed = not np.isnan(events.times).any()
    if timed:
        newest = count - 1 - (np.arange(len(events.users)) - starts[events.users])
    else:
        shuffled = np.lexsort((np.random.default_rng(seed).random(len(events.users)), events.users))
        newest = np.empty(len(shuffled), dtype=np.int64)
        newest[shuffled] = np.arange(len(shuffled)) - starts[events.users]
    share = np.maximum(count // folds, 1)
    held = (newest >= number * share) & (newest < (number + 1) * share) & (count > 1)
    learnt = ~held & ((newest >= number * share) | (count == 1)) if timed else ~held
    return _part(events, learnt), _part(events, held)


def _part(events: Events, keep: NDArray[np.bool_]) -> Events:
    return Events(events.users[keep], events.items[keep], events.strengths[keep], events.times[keep])
