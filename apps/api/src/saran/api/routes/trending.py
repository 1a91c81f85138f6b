"""Items on the rise, as of the newest event."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Depends, Query

from saran.api.model_store import Served
from saran.api.parameters import Limit
from saran.api.routes.analytics import NO_FIGURES, growth
from saran.api.routes.recommendations import served_model
from saran.api.state import State, state_of
from saran.api.trends_reader import Figures, FiguresAwayError, NoFiguresError, Row
from saran.core.analytics_shapes import Trending, TrendingCard, TrendWindow
from saran.core.filters import Category, ItemFilter

router = APIRouter(tags=["recommendations"])

_UNKNOWN: Final[Row] = dict.fromkeys(("score", "views_today", "interest"))


@router.get(
    "/recommendations/trending",
    responses={503: {"description": "No figures can be read, and no model was ever trained"}},
    summary="Items on the rise",
)
async def trending(
    state: Annotated[State, Depends(state_of)],
    limit: Limit = 10,
    category: Annotated[Category | None, Query(description="Items of this category, case ignored")] = None,
    window: Annotated[TrendWindow, Query(description="What is compared with the window of that length before")] = (
        TrendWindow.DAY
    ),
) -> Trending:
    """Of all items that had an event in the window. Without figures: the model's popular items, with `source` popular.

    An item that came after the model's training has a card with its id only, and is in no category.
    """
    served = state.models.served
    if category is not None:
        served = served_model(state)  # only a model's catalogue says which items are of a category

    def answer(figures: Figures) -> Trending:
        rows = figures.trending(window, limit if category is None else None)
        if served is not None and category is not None:
            chosen = _chosen(served, category)
            index = served.recommender.index
            rows = [row for row in rows if (at := index.get(row["key"])) is not None and chosen[at]][:limit]
        return Trending(
            source="trending",
            as_of=figures.as_of,
            window=window,
            model_version=None if served is None else served.manifest.version,
            items=[_card(_item(served, row["key"]), row, rank, growth(row)) for rank, row in enumerate(rows, start=1)],
        )

    try:
        return await state.trends.ask(answer)
    except FiguresAwayError:
        note = "PostgreSQL, which has the figures of trends, does not answer"
    except NoFiguresError:
        note = NO_FIGURES
    return _popular(served_model(state), limit, category, window, note)


def _popular(served: Served, limit: int, category: str | None, window: TrendWindow, note: str) -> Trending:
    every = served.recommender.popular(len(served.recommender.item_ids)).items
    best = every[_chosen(served, category)[every]][:limit]
    return Trending(
        source="popular",
        as_of=None,
        window=window,
        model_version=served.manifest.version,
        items=[
            _card(json.loads(served.catalogue.card(row)), _UNKNOWN, rank, None)
            for rank, row in enumerate(best.tolist(), start=1)
        ],
        note=note,
    )


def _chosen(served: Served, category: str | None) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    selection = served.columns.select(ItemFilter(category=[] if category is None else [category]))
    return np.ones(served.columns.count, dtype=np.bool_) if selection.mask is None else selection.mask


def _item(served: Served | None, item_id: str) -> dict[str, Any]:
    row = None if served is None else served.recommender.index.get(item_id)
    if served is None or row is None:
        return {"item_id": item_id}
    card: dict[str, Any] = json.loads(served.catalogue.card(row))
    return card


def _card(item: dict[str, Any], row: Row, rank: int, growth_rate: float | None) -> TrendingCard:
    return TrendingCard(
        **item,
        rank=rank,
        trend_score=row["score"],
        views_today=row["views_today"],
        interest=row["interest"],
        growth_rate=growth_rate,
    )
