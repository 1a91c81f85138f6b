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
from saran.core.recommender import History, Ranked, Recommender

_CAUSES: Final = 3


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
) -> Listed:
    """The best items for a history of those that `options` allow: exactly the best, unless diversity is asked for.

    `columns` are those of the items of `recommender`; the items `shown` (indices) are left out.
    """
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
    allowed = None if mask is None else np.flatnonzero(mask)
    ranked = _ranked(recommender, history, allowed, options, hide_seen=options.seen == "exclude")
    return Listed(ranked, _because(recommender, history, ranked, options), "; ".join(notes) or None)


def rank(recommender: Recommender, history: History, candidates: IntArray, options: Ordering) -> Listed:
    """The items `candidates` (distinct indices), best first for a history, those of the history too."""
    ranked = _ranked(recommender, history, candidates, options, hide_seen=False)
    return Listed(ranked, _because(recommender, history, ranked, options), None)


def _ranked(
    recommender: Recommender, history: History, allowed: IntArray | None, options: Ordering, *, hide_seen: bool
) -> Ranked:
    wanted = pool_size(options.limit) if options.diversity else options.limit
    (ranked,) = recommender.recommend(
        [history], wanted, allowed=None if allowed is None else [allowed], hide_seen=hide_seen
    )
    if not options.diversity:
        return ranked
    items, scores, personal = ranked
    places = diversify(items, scores, options.limit, diversity=options.diversity, model=recommender)
    return Ranked(items[places], scores[places], personal)


def _because(recommender: Recommender, history: History, ranked: Ranked, options: Ordering) -> list[list[Cause]]:
    if not (options.explain and ranked.personal):
        return [[] for _ in ranked.items]
    items, shares = recommender.explain(history, ranked.items)
    return [_largest(items, column) for column in shares.T]


def _largest(items: IntArray, shares: NDArray[np.float64]) -> list[Cause]:
    """The items that carried most, those with a positive share only."""
    best = np.argsort(-shares, kind="stable")[:_CAUSES]
    return [Cause(int(items[row]), float(shares[row])) for row in best if shares[row] > 0]


def _indices(recommender: Recommender, item_ids: Sequence[str]) -> IntArray:
    """Indices of those of the items that the model knows."""
    known = (recommender.index.get(item_id) for item_id in item_ids)
    return np.array([row for row in known if row is not None], dtype=np.int64)
