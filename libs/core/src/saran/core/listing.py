"""One list as it was asked for: filtered, diverse, with its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import IntArray
from saran.core.diversity import diversify, pool_size
from saran.core.entities import ACTION_CODES, Action
from saran.core.filters import ItemColumns
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


def make_list(
    recommender: Recommender,
    columns: ItemColumns,
    history: History,
    options: ListOptions,
    *,
    shown: IntArray | None = None,
    popular: bool = False,
) -> Listed:
    """The best items for a history of those that `options` allow: exactly the best, unless diversity is asked for.

    `columns` are those of the items of `recommender`; the items `shown` (indices) are left out. With
    `popular` the list is by popularity, though what the history hides stays hidden.
    """
    if popular and options.seen == "exclude":
        known = _indices(recommender, history.item_ids)
        shown = known if shown is None else np.concatenate([shown, known])
    allowed, note = _allowed(recommender, columns, history, options, shown)
    if popular:
        history = NO_HISTORY
    ranked = _pool(recommender, history, allowed, options, hide_seen=options.seen == "exclude")
    ranked = _picked(recommender, ranked, options)
    return Listed(ranked, _because(recommender, history, ranked, options), note)


def make_session_list(recommender: Recommender, columns: ItemColumns, session: History, options: ListOptions) -> Listed:
    """As `make_list`, but what is likely to come next in such a session comes first.

    The score of such an item is how likely it is, on top of the best score of the others. Where the version has no
    rules, or knows nothing of these items, the list is that of `make_list`.
    """
    following = recommender.following(session)
    if following is None:
        return make_list(recommender, columns, session, options)
    allowed, note = _allowed(recommender, columns, session, options)
    hide_seen = options.seen == "exclude"
    usual = _pool(recommender, session, allowed, options, hide_seen=hide_seen)
    if allowed is not None:
        following = following.only(allowed)
    if hide_seen:
        following = following.only(np.setdiff1d(following.items, _indices(recommender, session.item_ids)))
    ranked = _picked(recommender, _led(following, usual), options)
    return Listed(ranked, _because(recommender, session, ranked, options, following), note)


def make_list_of(
    recommender: Recommender, columns: ItemColumns, history: History, options: ListOptions, given: Ranked
) -> Listed:
    """As `make_list`, of items that are in an order already: those of `given` that `options` allow."""
    allowed, note = _allowed(recommender, columns, history, options)
    kept = np.ones(len(given.items), dtype=np.bool_) if allowed is None else np.isin(given.items, allowed)
    if options.seen == "exclude":
        kept &= ~np.isin(given.items, _indices(recommender, history.item_ids))
    ranked = _picked(recommender, Ranked(given.items[kept], given.scores[kept], personal=False), options)
    return Listed(ranked, [[] for _ in ranked.items], note)


def rank(recommender: Recommender, history: History, candidates: IntArray, options: Ordering) -> Listed:
    """The items `candidates` (distinct indices), best first for a history, those of the history too."""
    ranked = _picked(recommender, _pool(recommender, history, candidates, options, hide_seen=False), options)
    return Listed(ranked, _because(recommender, history, ranked, options), None)


def _allowed(
    recommender: Recommender,
    columns: ItemColumns,
    history: History,
    options: ListOptions,
    shown: IntArray | None = None,
) -> tuple[IntArray | None, str | None]:
    """The items that a list may hold, those of the history not yet left out; None: all. And why they may be few."""
    mask, notes = columns.select(options)
    hidden = _indices(recommender, options.exclude)
    if shown is not None:
        hidden = np.concatenate([hidden, shown[shown < columns.count]])
    if options.seen == "exclude-bought":
        bought = np.flatnonzero(history.actions == ACTION_CODES[Action.PURCHASE]).tolist()
        hidden = np.concatenate([hidden, _indices(recommender, [history.item_ids[row] for row in bought])])
    if len(hidden):
        mask = np.ones(columns.count, dtype=np.bool_) if mask is None else mask.copy()
        mask[hidden] = False
    return None if mask is None else np.flatnonzero(mask), "; ".join(notes) or None


def _pool(
    recommender: Recommender, history: History, allowed: IntArray | None, options: Ordering, *, hide_seen: bool
) -> Ranked:
    """The best items; more than the list is long where it is picked from them for diversity."""
    wanted = pool_size(options.limit) if options.diversity else options.limit
    (ranked,) = recommender.recommend(
        [history], wanted, allowed=None if allowed is None else [allowed], hide_seen=hide_seen
    )
    return ranked


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
