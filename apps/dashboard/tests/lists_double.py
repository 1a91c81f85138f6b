"""Lists as the double of the API makes and tells them, and its route for those of each strategy."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from saran.core.api_shapes import Cause, RankedCard, RecommendedCard
from saran.core.entities import ACTION_CODES
from saran.core.filters import ItemColumns
from saran.core.listing import Listed
from saran.core.recommender import History, Recommender
from saran.core.strategies import make_strategies, strategy_names
from saran.core.strategy_shapes import LeftOutCard, Strategies, StrategyList, StrategyOptions


class Shelf(Protocol):
    """Whoever has items, a model of them, and what users did."""

    items: list[dict[str, Any]]
    recommender: Recommender | None
    histories: dict[str, list[dict[str, Any]]]


def routes(held: Shelf) -> APIRouter:
    """The lists of each strategy over one shelf."""
    router = APIRouter()

    @router.get("/recommendations/strategies/{user_id:path}")
    def strategies(user_id: str, options: Annotated[StrategyOptions, Query()]) -> Any:
        if held.recommender is None:
            return JSONResponse({"title": "No model", "status": 503, "detail": "no model has been trained yet"}, 503)
        history = known(held, user_id)
        columns = ItemColumns(pa.Table.from_pylist(held.items))
        names = strategy_names(held.recommender)
        made = make_strategies(held.recommender, columns, history, options, names, rising=None)
        lists = [
            StrategyList(
                strategy=one.name, served=one.served, source="personal" if one.listed.ranked.personal else "popular",
                items=told(held, one.listed), note=one.listed.note,
                left_out=[
                    LeftOutCard(**held.items[left.item], score=left.score, rank=left.rank, reason=left.reason)
                    for left in one.left_out
                ],
            )
            for one in made
        ]  # fmt: skip
        lists.append(
            StrategyList(strategy="trending", served=False, source="trending", items=[], left_out=[], note="no figures")
        )
        return Strategies(
            user_id=user_id, model_version="v7", history_events=len(history.item_ids), degraded=False, lists=lists
        )

    return router


def known(held: Shelf, user_id: str) -> History:
    """A user's history as models take it."""
    events = held.histories[user_id]
    return History(
        [event["item_id"] for event in events],
        np.array([ACTION_CODES[event["action"]] for event in events], dtype=np.int64),
        np.array([event["value"] or np.nan for event in events], dtype=np.float64),
    )


def listed(held: Shelf, rows: Any, scores: Any) -> list[RankedCard]:
    """Items of the world by their rows."""
    return [
        RankedCard(**held.items[row], score=float(score), rank=rank)
        for rank, (row, score) in enumerate(zip(rows, scores, strict=True), start=1)
    ]


def told(held: Shelf, made: Listed) -> list[RecommendedCard]:
    """A list as the API tells it."""
    items, scores, _ = made.ranked
    return [
        RecommendedCard(
            **card.model_dump(),
            because=[Cause(**held.items[one.item], share=one.share) for one in causes],
        )
        for card, causes in zip(listed(held, items, scores), made.because, strict=True)
    ]
