"""What the double of the API tells an operator, and its routes for it: batches, rejected records, experiments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Protocol

from fastapi import APIRouter, Body, Header
from fastapi.responses import JSONResponse

from saran.core.experiment_shapes import ExperimentDefinition, ExperimentFigures, Experiments, Variant, VariantFigures
from saran.core.experiments import sample_ratio, wilson
from saran.core.model_shapes import ChampionMoved, VersionDetails
from saran.core.pipeline_shapes import Batches, RejectedReason, RejectedRecord, RejectedRecords, TableFacts, Tables
from saran.core.replay_shapes import Replay, ReplayRequest, StillRefused
from saran.core.system_shapes import Batch, WhoAsks

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
BOSS: Final = "boss"
"""Key and name of who may change things."""

_Body = Annotated[Any, Body()]

NOTHING_REJECTED = RejectedRecords(rows=0, version=None, reasons=[], more_reasons=0, sample=[])


class Holder(Protocol):
    """Whoever has what is told."""

    batches: list[Batch]
    rejected: RejectedRecords
    experiments: list[ExperimentFigures]
    tables: list[TableFacts]
    models: list[VersionDetails]
    champions: dict[str, list[str]]


def some_batches() -> list[Batch]:
    """Two of events, and one of the catalogue before them; the newest first."""
    told = [("events/1", 11, 4.0, 50_000), ("events/1", 10, 2.0, 30_000), ("catalog/1", 3, 0.5, 9_742)]
    return [
        Batch(
            query=query, batch_id=number, finished_at=NOON - timedelta(seconds=10 * place), seconds=seconds,
            input_rows=rows, new_rows=rows, duplicate_rows=0, rejected_rows=0,
        )
        for place, (query, number, seconds, rows) in enumerate(told)
    ]  # fmt: skip


def some_rejected() -> RejectedRecords:
    """Six records, for two reasons."""
    return RejectedRecords(
        rows=6, version=4, more_reasons=0,
        reasons=[
            RejectedReason(topic="events", reason="item_id: Field required", rows=4, newest=NOON),
            RejectedReason(topic="catalog", reason="price: Input should be a valid number", rows=2, newest=NOON),
        ],
        sample=[
            RejectedRecord(
                topic="events", partition=1, offset=17, timestamp=NOON, reason="item_id: Field required",
                event_id="e17", content_id="c17", raw='{"user_id": "u1"}',
            )
        ],
    )  # fmt: skip


def some_experiments() -> list[ExperimentFigures]:
    """One that runs: of 80 and 70 users 48 and 56 clicked, and 3 of each variant bought."""
    users = {"popular": 80, "model": 70}
    variants = [Variant(name="popular", strategy="popular"), Variant(name="model")]
    figures = [
        VariantFigures(
            name=one.name,
            users=users[one.name],
            expected_users=75.0,
            click_through=wilson(clicked, users[one.name]),
            conversion=wilson(3, users[one.name]),
        )
        for one, clicked in zip(variants, (48, 56), strict=True)
    ]
    return [
        ExperimentFigures(
            name="model-or-popular", description="Does the model beat popularity?", share=0.5, variants=variants,
            created_at=NOON, updated_at=NOON, figures=figures, sample_ratio=sample_ratio(variants, users),
        )
    ]  # fmt: skip


def some_tables() -> list[TableFacts]:
    """Two tables, of 2 MiB and 1 KiB."""
    return [
        TableFacts(
            name=name, version=version, rows=rows, files=files, bytes=size, columns=["user_id"], written_at=NOON
        )
        for name, version, rows, files, size in (
            ("gold.popularity", 0, 9_742, 1, 2**10),
            ("silver.events", 12, 100_836, 4, 2**21),
        )
    ]  # fmt: skip


def routes(held: Holder) -> APIRouter:
    """The routes over what is held."""
    router = APIRouter()

    @router.get("/system/batches")
    def batches(limit: int = 100) -> Batches:
        return Batches(batches=held.batches[:limit])

    @router.get("/system/rejected")
    def rejected(sample: int = 20) -> RejectedRecords:
        return held.rejected.model_copy(update={"sample": held.rejected.sample[:sample]})

    @router.get("/system/tables")
    def tables() -> Tables:
        return Tables(tables=held.tables)

    @router.get("/whoami")
    def whoami(authorization: Annotated[str, Header()] = "") -> Any:
        name = authorization.removeprefix("Bearer ")
        scopes = {BOSS: ["admin"], "page": ["read"]}.get(name)
        return _refused(401) if scopes is None else WhoAsks(keys=True, name=name, scopes=scopes)

    @router.post("/system/rejected/replay")
    def replay(asked: ReplayRequest, authorization: Annotated[str, Header()] = "") -> Any:
        """A correction that names an item is right; what is as it was is not."""
        if authorization != f"Bearer {BOSS}":
            return _refused(403)
        found = len(asked.records) or sum(one.rows for one in held.rejected.reasons if one.reason == asked.reason)
        good = sum("item_id" in (one.value or "") for one in asked.records)
        wrong = [StillRefused(content_id="c17", topic="events", reason="item_id: Field required")] * (found - good)
        return Replay(found=found, replayed=good, refused=len(wrong), still_refused=wrong, unknown=[])

    @router.post("/system/models/{name}/{order}")
    def move(name: str, order: str, authorization: Annotated[str, Header()] = "", asked: _Body = None) -> Any:
        """As the API moves a champion. `broken` is a version that must not be served."""
        if authorization != f"Bearer {BOSS}":
            return _refused(403)
        mine = [one for one in held.models if one.name == name]
        line = held.champions.setdefault(name, [one.version for one in mine if one.alias == "champion"])
        before = line[-1]
        if order == "rollback":
            line.pop()
        elif asked["version"] == "broken":
            return _refused(409)
        else:
            line.append(asked["version"])
        for place, one in enumerate(held.models):
            if one.name == name:
                held.models[place] = one.model_copy(update={"alias": "champion" if one.version == line[-1] else ""})
        return ChampionMoved(model=name, champion=line[-1], before=before, note="MLflow follows.")

    @router.put("/experiments/{name}")
    def put(name: str, asked: ExperimentDefinition, authorization: Annotated[str, Header()] = "") -> Any:
        if authorization != f"Bearer {BOSS}":
            return _refused(403)
        (one,) = held.experiments
        held.experiments = [one.model_copy(update={"running": asked.running})]
        return held.experiments[0]

    @router.get("/experiments")
    def experiments() -> Experiments:
        return Experiments(experiments=held.experiments)

    return router


def _refused(status: int) -> JSONResponse:
    return JSONResponse({"type": "about:blank", "title": "No", "status": status, "detail": "this key may not"}, status)
