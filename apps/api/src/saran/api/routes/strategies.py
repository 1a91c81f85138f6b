"""A user's lists by each strategy, side by side."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Depends, Query

from saran.api.list_json import list_content
from saran.api.model_store import Served
from saran.api.parameters import UserId
from saran.api.problem import Problem
from saran.api.routes.analytics import NO_FIGURES
from saran.api.routes.lists import history_of
from saran.api.routes.recommendations import checked, served_model
from saran.api.state import State, state_of
from saran.api.trends_reader import Figures, FiguresAwayError, NoFiguresError
from saran.core.analytics_shapes import TrendWindow
from saran.core.recommender import History, Ranked
from saran.core.strategies import StrategyLists, make_strategies, strategy_names
from saran.core.strategy_shapes import Strategies, StrategyList, StrategyName, StrategyOptions

router = APIRouter(tags=["recommendations"])

_TRENDING: Final = "trending"


@router.get(
    "/recommendations/strategies/{user_id:path}",
    responses={
        404: {"description": "The served model has no such strategy"},
        503: {"description": "No model was ever trained"},
    },
    summary="A user's lists by each strategy, side by side",
)
async def for_user_by_each(
    state: Annotated[State, Depends(state_of)], user_id: UserId, options: Annotated[StrategyOptions, Query()]
) -> Strategies:
    """The served model's own list first, then one of each of its parts, what is popular, and what is on the rise.

    All of one history and one model version, under the same conditions; no list is part of an experiment.
    `trending` is of the last 24 hours against those before, and of the items that the model knows.
    """
    checked(user_id)
    served = served_model(state)
    known: list[StrategyName] = [*strategy_names(served.recommender), _TRENDING]
    names = list(dict.fromkeys(options.strategy or known))
    if missing := [name for name in names if name not in known]:
        raise Problem(
            404, f"model {served.manifest.version} has no {' and no '.join(missing)}: it has {', '.join(known)}"
        )
    rising, note = await _rising(state, served) if _TRENDING in names else (None, None)
    history, degraded = await history_of(state, user_id)
    lists = await asyncio.to_thread(_lists, served, history, options, names, rising)
    if _TRENDING in names and rising is None:
        none = StrategyList(strategy=_TRENDING, served=False, source=_TRENDING, items=[], left_out=[], note=note)
        lists.insert(names.index(_TRENDING), none)
    return Strategies(
        user_id=user_id,
        model_version=served.manifest.version,
        history_events=len(history.item_ids),
        degraded=degraded,
        lists=lists,
    )


async def _rising(state: State, served: Served) -> tuple[Ranked | None, str | None]:
    """The items on the rise that the model knows; else None, and why."""
    index = served.recommender.index

    def known(figures: Figures) -> Ranked:
        found = figures.trending(TrendWindow.DAY, None)
        rows = [(index[row["key"]], row["score"]) for row in found if row["key"] in index]
        items = np.array([at for at, _ in rows], dtype=np.int64)
        return Ranked(items, np.array([score for _, score in rows], dtype=np.float32), personal=False)

    try:
        return await state.trends.ask(known), None
    except FiguresAwayError:
        return None, "PostgreSQL, which has the figures of trends, does not answer"
    except NoFiguresError:
        return None, NO_FIGURES


def _lists(
    served: Served, history: History, options: StrategyOptions, names: list[StrategyName], rising: Ranked | None
) -> list[StrategyList]:
    made = make_strategies(served.recommender, served.columns, history, options, names, rising=rising)
    return [_told(served, one) for one in made]


def _told(served: Served, one: StrategyLists) -> StrategyList:
    told: dict[str, Any] = json.loads(b"{" + list_content(served, one.listed, 0))
    if one.name == _TRENDING:
        told["source"] = _TRENDING
    left_out = [
        {**json.loads(served.catalogue.card(item)), "score": float(f"{score:.6g}"), "rank": rank, "reason": reason}
        for item, score, rank, reason in one.left_out
    ]
    return StrategyList.model_validate({**told, "strategy": one.name, "served": one.served, "left_out": left_out})
