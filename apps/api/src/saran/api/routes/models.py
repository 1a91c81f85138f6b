"""The versions of models: which there are, which one is served, how each was measured, and its card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import ValidationError

from saran.api.problem import Problem
from saran.api.state import State, state_of
from saran.core.champions import moves, previous
from saran.core.errors import SaranError
from saran.core.model_shapes import AllModels, ModelVersions, VersionDetails, VersionSummary
from saran.core.names import Model
from saran.core.s3 import Location
from saran.core.version_list import Facts, Versions, find_version, versions_of

router = APIRouter(tags=["models"])

_RETRY_SECONDS: Final = 5
_MOST_LISTED: Final = 100
_MOVES: Final = 20
"""Newest moves of the champion that are told."""

_CARD: Final = "card.md"
_LONGEST_CARD: Final = 200_000
"""Characters."""

_PICTURE: Final = re.compile(r"^!\[[^\]]*\]\([^)]*\)\n*", re.M)
_AWAY: Final[dict[int | str, dict[str, Any]]] = {503: {"description": "The store of models cannot be read"}}

Name = Literal["recommender", "transaction_predictor", "user_segmentation", "item_classifier"]
_NAMES: Final[tuple[Name, ...]] = (
    Model.RECOMMENDER,
    Model.TRANSACTION_PREDICTOR,
    Model.USER_SEGMENTATION,
    Model.ITEM_CLASSIFIER,
)


@router.get("/models", responses=_AWAY, summary="Versions of models")
def models(
    state: Annotated[State, Depends(state_of)],
    limit: Annotated[int, Query(ge=1, le=_MOST_LISTED, description="Versions of each model at most")] = 20,
) -> AllModels:
    """Of every model that was trained, newest version first."""
    with _reading():
        stored = state.settings.models_path
        every = [versions_of(stored, name) for name in _NAMES]
        return AllModels(models=[_told(one, limit) for one in every if one.facts or one.unreadable])


@router.get(
    "/models/{name}/{version}",
    responses={**_AWAY, 404: {"description": "There is no such version"}},
    summary="A version's figures and card",
)
def model(
    state: Annotated[State, Depends(state_of)],
    name: Name,
    version: Annotated[
        str, Path(max_length=100, description="A version or the beginning of one, `champion` or `challenger`")
    ],
) -> VersionDetails:
    """All that its manifest says, and its card."""
    with _reading():
        try:
            versions, facts = find_version(state.settings.models_path, version, name)
        except SaranError as error:
            raise Problem(404, str(error)) from None
        return _details(versions, facts)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Problem(503, f"the models cannot be read: {error}", retry_after=_RETRY_SECONDS) from error


def _told(versions: Versions, limit: int) -> ModelVersions:
    return ModelVersions(
        name=versions.name,
        champion=versions.champion,
        versions=[VersionSummary(**_summary(versions, facts)) for facts in versions.facts[:limit]],
        more=max(0, len(versions.facts) - limit),
        unreadable=versions.unreadable,
        moves=moves(versions.models, versions.name)[-_MOVES:],
        previous=previous(versions.models, versions.name),
    )


def _summary(versions: Versions, facts: Facts) -> dict[str, Any]:
    return {
        **facts.model_dump(include={"version", "created_at", "dataset", "synthetic", "algorithm"}),
        "alias": versions.alias(facts.version),
        "figures": facts.figures,
    }


def _details(versions: Versions, facts: Facts) -> VersionDetails:
    evaluation, others = facts.evaluation or {}, facts.others
    told: dict[str, Any] = {name: others.get(name) for name in ("comparison", "horizon_days", "threshold", "confusion")}
    try:
        return VersionDetails(
            **_summary(versions, facts),
            **facts.model_dump(include={"name", "seed", "parameters", "tables", "newest_event"}),
            **told,
            window=str(facts.window),
            split=evaluation.get("split"),
            test_users=evaluation.get("test_users"),
            calibration=others.get("calibration") or [],
            segments=others.get("segments") or [],
            card=_card(versions.folder(facts.version)),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Problem(404, f"{facts.name} {facts.version} is of another release ({where}: {first['msg']})") from None


def _card(folder: Location) -> str | None:
    """The card's text; its pictures are files that lie beside it."""
    try:
        text = (folder / _CARD).read_text()
    except FileNotFoundError:
        return None
    return _PICTURE.sub("", text)[:_LONGEST_CARD]
