"""One list as it was asked for: filtered, diverse, with its reasons."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import IntArray
from saran.core.diversity import diversify, pool_size
from saran.core.entities import ACTION_CODES, Action
from saran.core.filters import ItemColumns, Mask
from saran.core.list_options import ListOptions, Ordering
from saran.core.next_items import Following
from saran.core.recommender import History, Ranked, Recommender

_CAUSES: Final = 3

NO_HISTORY: Final = History([], np.zeros(0, dtype=np.int64), np.zeros(0))


class Cause(NamedTuple):
    """An item of a history, by its index, and its share in a score."""

    item: int
    share: float


class Listed(NamedTuple):
    """A list; `because` holds the causes of each of its items, `note` says why it is shorter than a typo would want."""

    ranked: Ranked
    because: list[list[Cause]]
    note: str | None


class Wanted(NamedTuple):
    """For whom a list is, and what it may hold."""

    history: History
    options: ListOptions
    shown: IntArray | None = None
    """Items (indices) that are left out."""
    popular: bool = False
    """The list is by popularity, though what the history hides stays hidden."""


def make_list(
    recommender: Recommender,
    columns: ItemColumns,
    history: History,
    options: ListOptions,
    *,
    shown: IntArray | None = None,
    popular: bool = False,
) -> Listed:
    """One list of `make_lists`."""
    return make_lists(recommender, columns, [Wanted(history, options, shown, popular)])[0]


def make_lists(recommender: Recommender, columns: ItemColumns, wanted: Sequence[Wanted]) -> list[Listed]:
    """The best items for each history of those that its options allow: exactly the best, unless diversity is asked for.

    `columns` are those of the items of `recommender`. Many at once cost less than one by one: the factors of the items
    are read from memory once for all of them.
    """
    asked = _questions(recommender, columns, wanted)
    lists = []
    for one, pool in zip(asked, _pools(recommender, asked), strict=True):
        ranked = _picked(recommender, pool, one.options)
        lists.append(Listed(ranked, _because(recommender, one.history, ranked, one.options), one.note))
    return lists


def make_session_lists(recommender: Recommender, columns: ItemColumns, sessions: Sequence[Wanted]) -> list[Listed]:
    """As `make_lists`, but what is likely to come next in such a session comes first.

    The score of such an item is how likely it is, on top of the best score of the others. Where the version has no
    rules the lists are those of `make_lists`; where it knows nothing of a session's items, so is the session's.
    """
    rules = [found for one in sessions if (found := recommender.following(one.history)) is not None]
    if len(rules) < len(sessions):  # no version has rules for some sessions only
        return make_lists(recommender, columns, sessions)
    asked = _questions(recommender, columns, sessions)
    lists = []
    for one, usual, rule in zip(asked, _pools(recommender, asked), rules, strict=True):
        following = rule if one.allowed is None else rule.only(one.allowed)
        if one.hide_seen:
            following = following.only(np.setdiff1d(following.items, _indices(recommender, one.history.item_ids)))
        ranked = _picked(recommender, _led(following, usual), one.options)
        lists.append(Listed(ranked, _because(recommender, one.history, ranked, one.options, following), one.note))
    return lists


def make_list_of(
    recommender: Recommender, columns: ItemColumns, history: History, options: ListOptions, given: Ranked
) -> Listed:
    """As `make_list`, of items that are in an order already: those of `given` that `options` allow."""
    filtered = _filtered(columns, options)
    allowed = _allowed(recommender, columns, history, options, filtered)
    kept = np.ones(len(given.items), dtype=np.bool_) if allowed is None else np.isin(given.items, allowed)
    if options.seen == "exclude":
        kept &= ~np.isin(given.items, _indices(recommender, history.item_ids))
    ranked = _picked(recommender, Ranked(given.items[kept], given.scores[kept], personal=False), options)
    return Listed(ranked, [[] for _ in ranked.items], filtered.note)


def rank(recommender: Recommender, history: History, candidates: IntArray, options: Ordering) -> Listed:
    """The items `candidates` (distinct indices), best first for a history, those of the history too."""
    (pool,) = _pools(recommender, [_Question(history, candidates, options, hide_seen=False, note=None)])
    ranked = _picked(recommender, pool, options)
    return Listed(ranked, _because(recommender, history, ranked, options), None)


class _Question(NamedTuple):
    """What the recommender is asked for one list: the best of the items `allowed`, of all when None."""

    history: History
    allowed: IntArray | None
    options: Ordering
    hide_seen: bool
    note: str | None


def _questions(recommender: Recommender, columns: ItemColumns, wanted: Sequence[Wanted]) -> list[_Question]:
    """Where the same is filtered by, and nothing else is left out, they share one array of what is allowed."""
    filtered: dict[Hashable, _Filtered] = {}
    questions = []
    for history, options, shown, popular in wanted:
        conditions = options.conditions
        if conditions not in filtered:
            filtered[conditions] = _filtered(columns, options)
        hide_seen = options.seen == "exclude"
        if popular and hide_seen:
            known = _indices(recommender, history.item_ids)
            shown = known if shown is None else np.concatenate([shown, known])  # noqa: PLW2901
        allowed = _allowed(recommender, columns, history, options, filtered[conditions], shown)
        note = filtered[conditions].note
        questions.append(_Question(NO_HISTORY if popular else history, allowed, options, hide_seen, note))
    return questions


class _Filtered(NamedTuple):
    """What a filter leaves, as a mask and as indices, None: all; and why it may be little."""

    mask: Mask | None
    items: IntArray | None
    note: str | None


def _filtered(columns: ItemColumns, options: ListOptions) -> _Filtered:
    mask, notes = columns.select(options)
    return _Filtered(mask, None if mask is None else np.flatnonzero(mask), "; ".join(notes) or None)


def _allowed(
    recommender: Recommender,
    columns: ItemColumns,
    history: History,
    options: ListOptions,
    filtered: _Filtered,
    shown: IntArray | None = None,
) -> IntArray | None:
    """The items that a list may hold, those of the history not yet left out; None: all."""
    hidden = _indices(recommender, options.exclude)
    if shown is not None:
        hidden = np.concatenate([hidden, shown[shown < columns.count]])
    if options.seen == "exclude-bought":
        bought = np.flatnonzero(history.actions == ACTION_CODES[Action.PURCHASE]).tolist()
        hidden = np.concatenate([hidden, _indices(recommender, [history.item_ids[row] for row in bought])])
    if not len(hidden):
        return filtered.items
    mask = np.ones(columns.count, dtype=np.bool_) if filtered.mask is None else filtered.mask.copy()
    mask[hidden] = False
    return np.flatnonzero(mask)


def _pools(recommender: Recommender, asked: Sequence[_Question]) -> list[Ranked]:
    """The best items for each; more than the list is long where it is picked from them for diversity."""
    alike: dict[tuple[int, bool], list[int]] = {}
    for place, one in enumerate(asked):
        wanted = pool_size(one.options.limit) if one.options.diversity else one.options.limit
        alike.setdefault((wanted, one.hide_seen), []).append(place)
    pools: dict[int, Ranked] = {}
    for (wanted, hide_seen), places in alike.items():
        allowed = [asked[place].allowed for place in places]
        found = recommender.recommend(
            [asked[place].history for place in places],
            wanted,
            allowed=None if all(one is None for one in allowed) else allowed,
            hide_seen=hide_seen,
        )
        pools.update(zip(places, found, strict=True))
    return [pools[place] for place in range(len(asked))]


def _led(following: Following, usual: Ranked) -> Ranked:
    """What may come next, and behind it the usual list."""
    if not len(following.items):
        return usual
    rest = ~np.isin(usual.items, following.items)
    shares = following.shares.sum(axis=0) + usual.scores.max(initial=0.0)
    return Ranked(
        np.concatenate([following.items, usual.items[rest]]),
        np.concatenate([shares, usual.scores[rest]]).astype(np.float32),
        personal=True,
    )


def _picked(recommender: Recommender, ranked: Ranked, options: Ordering) -> Ranked:
    items, scores, personal = ranked
    if not options.diversity:
        return Ranked(items[: options.limit], scores[: options.limit], personal)
    places = diversify(items, scores, options.limit, diversity=options.diversity, model=recommender)
    return Ranked(items[places], scores[places], personal)


def _because(
    recommender: Recommender,
    history: History,
    ranked: Ranked,
    options: Ordering,
    following: Following | None = None,
) -> list[list[Cause]]:
    if not (options.explain and ranked.personal):
        return [[] for _ in ranked.items]
    items, shares = recommender.explain(history, ranked.items)
    causes = [_largest(items, column) for column in shares.T]
    if following is not None:
        place = {int(item): column for column, item in enumerate(following.items)}
        for row, item in enumerate(ranked.items.tolist()):
            if item in place:
                causes[row] = _largest(following.sources, following.shares[:, place[item]])
    return causes


def _largest(items: IntArray, shares: NDArray[np.float64]) -> list[Cause]:
    """The items that carried most, those with a positive share only."""
    best = np.argsort(-shares, kind="stable")[:_CAUSES]
    return [Cause(int(items[row]), float(shares[row])) for row in best if shares[row] > 0]


def _indices(recommender: Recommender, item_ids: Sequence[str]) -> IntArray:
    """Indices of those of the items that the model knows."""
    known = (recommender.index.get(item_id) for item_id in item_ids)
    return np.array([row for row in known if row is not None], dtype=np.int64)
