"""What a visitor's behaviour says: the chance of a purchase, and the segment."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

import numpy as np
from fastapi import APIRouter, Depends

from saran.api.model_store import Loaded, ModelStore
from saran.api.problem import Problem
from saran.api.state import State, state_of
from saran.core.names import Model
from saran.core.visitor_models import PURCHASE_INPUTS, SEGMENT_INPUTS, GraphModel, PredictorManifest, SegmentManifest
from saran.core.visitor_shapes import Behaviour, Prediction, SegmentOf, Totals

router = APIRouter(tags=["visitors"])

L = TypeVar("L", bound=Loaded)

_RETRY_SECONDS: Final = 10
_NEAR: Final = 0.01
"""A ratio may be rounded to two places."""

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    422: {"description": "A field is wrong; `errors` names it"},
    503: {"description": "The model was never trained"},
}
_TRAIN: Final = {Model.TRANSACTION_PREDICTOR: "saran train purchase", Model.USER_SEGMENTATION: "saran train segments"}


@router.post("/predict-transaction", responses=_PROBLEMS, summary="Whether a visitor will buy")
async def predict_transaction(state: Annotated[State, Depends(state_of)], behaviour: Behaviour) -> Prediction:
    """By what the visitor has viewed and put into the cart so far. The probability is calibrated."""
    return predict(_served(state.predictor), behaviour)


@router.post("/segment-user", responses=_PROBLEMS, summary="The segment that a visitor belongs to")
async def segment_user(state: Annotated[State, Depends(state_of)], totals: Totals) -> SegmentOf:
    """By all that the visitor has done. Ratios of views and carts are over events, that of transactions is over views;
    `warning` says which of them do not fit the totals. The answer is made from what was sent all the same.
    """
    return segment(_served(state.segmentation), totals)


def predict(model: GraphModel[PredictorManifest], behaviour: Behaviour) -> Prediction:
    """What the version says of a visitor."""
    features = np.array([[getattr(behaviour, name) for name in PURCHASE_INPUTS]], dtype=np.float32)
    probability = float(model.run(features)[0])
    return Prediction(
        visitorid=behaviour.visitorid_to_identify,
        will_transact=probability >= model.manifest.threshold,
        probability=probability,
        model_version=model.manifest.version,
    )


def segment(model: GraphModel[SegmentManifest], totals: Totals) -> SegmentOf:
    """What the version says of a visitor."""
    features = np.array([[getattr(totals, name) for name in SEGMENT_INPUTS]], dtype=np.float32)
    cluster = int(model.run(features)[0])
    names = {segment.cluster_id: segment.name for segment in model.manifest.segments}
    return SegmentOf(
        visitorid=totals.visitorid_to_identify,
        cluster_id=cluster,
        segment=names[cluster],
        model_version=model.manifest.version,
        warning="; ".join(misfits(totals)) or None,
    )


def misfits(totals: Totals) -> list[str]:
    """What of the figures does not fit the rest, in words."""
    whole, views = totals.total_events, totals.total_views
    ratios = (
        ("view_ratio", views, "total_events", whole),
        ("addtocart_ratio", totals.total_addtocart, "total_events", whole),
        ("transaction_ratio", totals.total_transactions, "total_views", views),
    )
    found = []
    parts = views + totals.total_addtocart + totals.total_transactions
    if parts > whole:
        found.append(f"views, carts and transactions are {parts}, more than total_events {whole}")
    for name, part, base_name, base in ratios:
        given, expected = getattr(totals, name), part / base if base else 0.0
        if abs(given - expected) > _NEAR:
            found.append(f"{name} is {given:g}, and by {base_name} it would be {expected:.4g}")
    return found


def _served(store: ModelStore[L]) -> L:
    """The served version. Raises Problem 503 before the first training."""
    if store.served is None:
        reason = store.warning or f"no {store.name} was trained yet: run `{_TRAIN[store.name]}`"
        raise Problem(503, reason, retry_after=_RETRY_SECONDS)
    return store.served
