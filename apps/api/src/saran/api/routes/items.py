"""The catalogue of the served model, and users' histories."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Query

from saran.api.acknowledge import KAFKA_AWAY, acknowledged
from saran.api.history_reader import HistoryAwayError
from saran.api.parameters import Limit, UserId
from saran.api.problem import Problem
from saran.api.routes.recommendations import checked, served_model, unknown_item
from saran.api.state import State, state_of
from saran.core import limits
from saran.core.api_shapes import Found, History, PastEvent, SaidItem, SaidItemFacts, Taken
from saran.core.entities import Action, Item
from saran.core.json_text import item_to_json
from saran.core.names import Topic

router = APIRouter(tags=["catalogue"])

_ACTIONS: Final = tuple(Action)
_RETRY_SECONDS: Final = 2
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "The model does not know the item"},
    503: {"description": "No model was ever trained"},
}


@router.get("/items/{item_id:path}", response_model=Item, responses=_PROBLEMS, summary="An item")
def item(state: Annotated[State, Depends(state_of)], item_id: str) -> dict[str, Any]:
    """All that the catalogue says of it. 404 for an item that the model does not know."""
    served = served_model(state)
    row = served.recommender.index.get(item_id)
    if row is None:
        raise unknown_item(item_id, served)
    return served.catalogue.item(row)


@router.post("/items", status_code=202, responses=KAFKA_AWAY, summary="Add or replace items")
async def post_items(
    state: Annotated[State, Depends(state_of)],
    items: Annotated[list[SaidItem], Body(min_length=1, max_length=limits.MAX_EVENTS_PER_REQUEST)],
) -> Taken:
    """202 when Kafka has every item. The lakehouse has them seconds later, lists from the next training on."""
    await acknowledged(state, Topic.CATALOG, [(one.item_id, item_to_json(one)) for one in items])
    return Taken(accepted=len(items))


@router.put("/items/{item_id:path}", status_code=202, responses=KAFKA_AWAY, summary="Add or replace an item")
async def put_item(state: Annotated[State, Depends(state_of)], item_id: str, body: SaidItemFacts) -> Taken:
    """As POST /items does, for one."""
    full = Item(item_id=checked(item_id, "item_id"), **body.model_dump())
    await acknowledged(state, Topic.CATALOG, [(item_id, item_to_json(full))])
    return Taken(accepted=1)


@router.delete("/items/{item_id:path}", status_code=202, responses=KAFKA_AWAY, summary="Take an item away")
async def delete_item(state: Annotated[State, Depends(state_of)], item_id: str) -> Taken:
    """The item is no longer available; events of the past still name it, so its row stays."""
    await acknowledged(state, Topic.CATALOG, [(checked(item_id, "item_id"), None)])
    return Taken(accepted=1)


@router.get("/search", response_model=Found, summary="Items by title")
def search(
    state: Annotated[State, Depends(state_of)],
    q: Annotated[str, Query(min_length=1, max_length=200, description="Part of a title, in any case")],
    limit: Limit = 20,
) -> dict[str, Any]:
    """Most popular first."""
    return {"items": served_model(state).catalogue.search(q, limit)}


@router.get("/users/{user_id:path}/events", summary="A user's last events")
@router.get("/users/{user_id:path}/history", summary="A user's last events")
async def history(state: Annotated[State, Depends(state_of)], user_id: UserId, limit: Limit = 50) -> History:
    """Newest first; none for a user who is not known."""
    try:
        stored = (await state.histories.read([user_id])).get(user_id)
    except HistoryAwayError:
        raise Problem(503, "PostgreSQL is away, and the histories with it", retry_after=_RETRY_SECONDS) from None
    if stored is None:
        return History(user_id=user_id, events=[])
    served = state.models.served
    events = []
    for place in reversed(range(max(0, len(stored.times) - limit), len(stored.times))):
        item_id = stored.events.item_ids[place]
        row = None if served is None else served.recommender.index.get(item_id)
        value = float(stored.events.values[place])
        events.append(
            PastEvent(
                item_id=item_id,
                title=None if served is None or row is None else served.catalogue.title(row),
                action=_ACTIONS[int(stored.events.actions[place])],
                value=None if math.isnan(value) else value,
                event_time=datetime.fromtimestamp(int(stored.times[place]) / 1000, UTC),
            )
        )
    return History(user_id=user_id, events=events)
