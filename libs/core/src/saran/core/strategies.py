"""The lists of a version's parts beside its own: what each would show, why, and what it must not show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np

from saran.core.confidence import IntArray
from saran.core.entities import ACTION_CODES, Action
from saran.core.filters import ItemColumns
from saran.core.list_options import ListOptions
from saran.core.listing import Listed, make_list, make_list_of
from saran.core.model_parts import Kind
from saran.core.recommender import History, Ranked, Recommender
from saran.core.strategy_shapes import LeftOutReason, StrategyName


class LeftOut(NamedTuple):
    """An item, by its index, that would be at `rank` of a list without conditions, and why it is not in the list."""

    item: int
    score: float
    rank: int
    reason: LeftOutReason


class StrategyLists(NamedTuple):
    """A strategy's list for a user, and which of its best were left out."""

    name: StrategyName
    served: bool
    listed: Listed
    left_out: list[LeftOut]


def strategy_names(recommender: Recommender) -> list[StrategyName]:
    """Those that a version has, the served one first: itself, each of its parts, and what is popular."""
    return list(dict.fromkeys([served_strategy(recommender), *map(_name, recommender.by_part()), "popular"]))


def served_strategy(recommender: Recommender) -> StrategyName:
    """What the version's own lists are made by: a blend of several parts, or the one that it is."""
    if len(recommender.weighty) > 1:
        return "blend"
    parts = recommender.by_part()
    return next((_name(kind) for kind in recommender.weighty if kind in parts), "popular")


def _name(kind: Kind) -> StrategyName:
    # The kinds that score items are named alike; popularity and rules do not.
    return cast("StrategyName", kind.value)


def make_strategies(
    recommender: Recommender,
    columns: ItemColumns,
    history: History,
    options: ListOptions,
    names: list[StrategyName],
    *,
    rising: Ranked | None,
) -> Iterator[StrategyLists]:
    """The list of each strategy of `names`, all but `trending` of `strategy_names`.

    `rising` are the items on the rise, best first; without them there is no list of `trending`.
    """
    parts = {_name(kind): by for kind, by in recommender.by_part().items()}
    own = served_strategy(recommender)
    without = ListOptions(limit=options.limit, seen="allow")
    for name in names:
        if name == "trending":
            if rising is None:
                continue
            listed = make_list_of(recommender, columns, history, options, rising)
            best = Ranked(rising.items[: options.limit], rising.scores[: options.limit], personal=False)
        else:
            by = parts.get(name, recommender)
            listed = make_list(by, columns, history, options, popular=name == "popular")
            best = make_list(by, columns, history, without, popular=name == "popular").ranked
        left = _left_out(recommender, columns, history, options, best, listed.ranked.items)
        yield StrategyLists(name, name == own, listed, left)


def _left_out(
    recommender: Recommender,
    columns: ItemColumns,
    history: History,
    options: ListOptions,
    best: Ranked,
    listed: IntArray,
) -> list[LeftOut]:
    """Of the best without conditions those that are not listed, with the first reason that holds."""
    index = recommender.index
    used = {index.get(item_id) for item_id in history.item_ids}
    of_purchases = np.flatnonzero(history.actions == ACTION_CODES[Action.PURCHASE]).tolist()
    bought = {index.get(history.item_ids[row]) for row in of_purchases}
    hidden = {"exclude": used, "exclude-bought": bought, "allow": set()}[options.seen]
    excluded = {index.get(item_id) for item_id in options.exclude}
    mask = columns.select(options).mask

    def reason(item: int) -> LeftOutReason | None:
        if item in hidden:
            return "bought" if item in bought else "seen"
        if item in excluded:
            return "excluded"
        if mask is not None and not mask[item]:
            return "condition"
        return "alike" if options.diversity else None

    kept = set(listed.tolist())
    return [
        LeftOut(item, score, rank, why)
        for rank, (item, score) in enumerate(zip(best.items.tolist(), best.scores.tolist(), strict=True), start=1)
        if item not in kept and (why := reason(item))
    ]
