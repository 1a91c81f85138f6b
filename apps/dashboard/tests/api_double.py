"""A stand-in for Saran's API: a real HTTP server on loopback that holds data and serves the agreed shapes."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import uvicorn
from apps.dashboard.tests import analytics_double, lists_double, operator_double
from apps.dashboard.tests.analytics_double import Figures
from apps.dashboard.tests.lists_double import known, listed, told
from fastapi import FastAPI, Header, Query
from fastapi.responses import JSONResponse

from saran.core.api_shapes import (
    Accepted,
    AgedCard,
    Card,
    Categories,
    CategoryCount,
    ForAge,
    Found,
    PastEvent,
    Recommendations,
    SessionRecommendations,
    Similar,
    StreamEvent,
    UsersOfAge,
)
from saran.core.api_shapes import History as ToldHistory
from saran.core.champions import Move
from saran.core.confidence import Weights
from saran.core.datasets import Capabilities, Origin
from saran.core.entities import Action, Item
from saran.core.experiment_shapes import ExperimentFigures
from saran.core.filters import ItemColumns, least_age
from saran.core.list_options import ListOptions, SessionRequest
from saran.core.listing import make_list
from saran.core.model_folder import Evaluation, Manifest, Metric, RecommenderModel
from saran.core.model_parts import als_part
from saran.core.model_shapes import AllModels, ModelVersions, VersionDetails, VersionSummary
from saran.core.names import Group, Part, Table, Topic
from saran.core.pipeline_shapes import RejectedRecords, TableFacts
from saran.core.recommender import History, Likeness, Recommender
from saran.core.system_shapes import Batch, DatasetFacts, Health, Ingest, ServedModel, SystemMetrics, TableCount
from saran.core.versions import ModelError
from saran.core.visitor_shapes import Behaviour, Prediction, SegmentOf, Totals

CREATED = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@dataclass
class World:
    """What the double answers with; tests change it between requests."""

    items: list[dict[str, Any]]
    recommender: Recommender | None
    metrics: dict[str, Any]
    health: dict[str, Any]
    histories: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    posted: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    kafka_away: bool = False
    worker_away: bool = False
    degraded: bool = False
    models: list[VersionDetails] = field(default_factory=list)
    """Versions, newest first; the last of each model is its champion."""

    champions: dict[str, list[str]] = field(default_factory=dict)
    """By model its champions, the present one last, once one was moved."""

    by_content: list[str] | None = None
    """Item ids that are alike by content, whatever the item; None: the model has no such part."""

    of_age: UsersOfAge | None = None
    """Whose likes rank the lists for ages; None: everybody's."""

    figures: Figures | None = None
    """Of analytics; None: there are none yet."""

    batches: list[Batch] = field(default_factory=operator_double.some_batches)
    experiments: list[ExperimentFigures] = field(default_factory=operator_double.some_experiments)
    tables: list[TableFacts] = field(default_factory=operator_double.some_tables)
    rejected: RejectedRecords = field(default_factory=operator_double.some_rejected)

    def item(self, item_id: str) -> dict[str, Any]:
        return next((item for item in self.items if item["item_id"] == item_id), {"item_id": item_id})


def two_tastes() -> World:
    """Items `a0`…`a7` and `b0`…`b7` of two tastes that have nothing in common; popularity alternates a0, b0, a1, …"""
    count = 8
    titles = ["Heat", "Ronin", "Casino", "Collateral", "Thief", "Sicario", "Drive", "Nightcrawler"]
    other = ["Up", "Coco", "Brave", "Shrek", "Moana", "Frozen", "Mulan", "Tarzan"]
    items = [
        {"item_id": f"{taste}{row}", "title": f"{name} (199{row})", "categories": [category]}
        for taste, names, category in (("a", titles, "Crime"), ("b", other, "Animation"))
        for row, name in enumerate(names)
    ]
    strength = np.linspace(1.0, 0.65, count, dtype=np.float32)
    factors = np.zeros((2 * count, 2), dtype=np.float32)
    factors[:count, 0], factors[count:, 1] = strength, strength
    popularity = np.arange(2 * count).reshape(2, count).T.ravel()
    return world(items, factors, popularity)


def world(items: Sequence[dict[str, Any]], factors: np.ndarray[Any, Any], popularity: np.ndarray[Any, Any]) -> World:
    """A world whose recommender has these factors, shape (items, k)."""
    manifest = Manifest(
        name="recommender", version="v7", created_at=CREATED, dataset="movielens", synthetic=False, algorithm="als",
        parameters={"alpha": 10.0, "regularization": 0.05, "rank": factors.shape[1]}, weights=Weights(),
        history_length=500, seed=1, tables={"silver.events": 12}, users=2, items=len(items), interactions=9,
    )  # fmt: skip
    table = pa.table({"item_id": [item["item_id"] for item in items]})
    part = als_part(factors.astype(np.float32), alpha=10.0, regularization=0.05)
    model = RecommenderModel(manifest, {"als": part}, popularity.astype(np.int64), table)
    return World(list(items), Recommender(model), healthy_metrics(), healthy())


def healthy() -> dict[str, Any]:
    return Health(
        status="ok", models_loaded=["recommender"], model_versions={"recommender": "v7"}, warnings=[],
        kafka="up", postgres="up", spark_session_active=True,
    ).model_dump(mode="json")  # fmt: skip


def healthy_metrics() -> dict[str, Any]:
    now = datetime.now(UTC)
    newest = datetime(2018, 9, 24, 14, 27, 30, tzinfo=UTC)

    def table(rows: int, **books: int) -> TableCount:
        # Long enough ago to be told in seconds, however quickly the page is drawn.
        written = now - timedelta(seconds=5)
        return TableCount(rows=rows, version=12, as_of=newest, updated_at=written, **books)

    def figure(value: float) -> Metric:
        return Metric(value=value, low=value - 0.01, high=value + 0.01)

    batch = Batch(
        query="events/1", batch_id=11, finished_at=now, seconds=4.2, input_rows=50_000, new_rows=49_990,
        duplicate_rows=3, rejected_rows=4,
    )  # fmt: skip
    evaluation = Evaluation(
        split="last 20 % of each user", test_users=610,
        metrics={
            "als": {"ndcg@10": figure(0.12), "recall@20": figure(0.20)},
            "popularity": {"ndcg@10": figure(0.08), "recall@20": figure(0.19)},
        },
    )  # fmt: skip
    about = DatasetFacts(
        title="MovieLens latest small", terms="GroupLens Research",
        capabilities=Capabilities(users=Origin.GIVEN, ratings=Origin.GIVEN, titles=Origin.GIVEN),
        actions=[Action.RATE], highest_rating=5.0,
    )  # fmt: skip
    return SystemMetrics(
        as_of=newest, dataset="movielens", synthetic=False, about=about,
        tables={
            Table.BRONZE_EVENTS: table(100_843), Table.SILVER_REJECTED: table(6),
            Table.SILVER_EVENTS: table(100_836, rejected_rows=4, duplicate_rows=3),
            Table.SILVER_ITEMS: table(9_742, rejected_rows=2),
        },
        ingest=Ingest(last_batch=batch, events_per_second=11_904.8, duplicate_rows=3, rejected_rows=4),
        heartbeats={Part.STREAMS: now, Part.WORKER: now},
        lag={Group.INGEST: {Topic.EVENTS: {0: 10, 1: 7}}, Group.ONLINE: {Topic.EVENTS: {0: 0, 1: 0}}},
        topics={Topic.EVENTS: {0: 60_000, 1: 40_843}, Topic.CATALOG: {0: 9_742}, Topic.DLQ: {0: 6}},
        model=ServedModel(
            version="v7", created_at=CREATED, parameters={"rank": 64, "alpha": 10.0}, evaluation=evaluation
        ),
        uptime_seconds=300.0, memory_bytes=412 * 2**20, requests=9, warnings=[],
    ).model_dump(mode="json")  # fmt: skip


def _problem(status: int, title: str, detail: str) -> JSONResponse:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json", headers={"Retry-After": "1"})


def application(held: World) -> FastAPI:
    """The routes that the dashboard asks, over one world."""
    app = FastAPI()
    app.include_router(analytics_double.routes(held))
    app.include_router(operator_double.routes(held))
    app.include_router(lists_double.routes(held))

    @app.get("/health")
    def health() -> dict[str, Any]:
        return held.health

    @app.get("/system/metrics")
    def metrics() -> dict[str, Any]:
        return held.metrics

    @app.get("/recommendations/user/{user_id:path}")
    def recommend(user_id: str, options: Annotated[ListOptions, Query()]) -> Any:
        if held.recommender is None:
            return _problem(503, "No model", "no model has been trained yet")
        history = known(held, user_id)
        made = make_list(held.recommender, ItemColumns(pa.Table.from_pylist(held.items)), history, options)
        return Recommendations(
            user_id=user_id, source="personal" if made.ranked.personal else "popular", model_version="v7",
            degraded=held.degraded, history_events=len(history.item_ids), items=told(held, made), note=made.note,
        )  # fmt: skip

    @app.get("/categories")
    def categories() -> Categories:
        told = ItemColumns(pa.Table.from_pylist(held.items)).categories()
        return Categories(categories=[CategoryCount(name=name, items=items) for name, items in told])

    @app.get("/recommendations/similar/{item_id}")
    def similar(item_id: str, limit: int = 10, by: Likeness | None = None) -> Any:
        if held.recommender is None or item_id not in held.recommender.index:
            return _problem(404, "Unknown item", f"no item {item_id}")
        if by == "content" and held.by_content is not None:
            rows = [held.recommender.index[one] for one in held.by_content][:limit]
            items = listed(held, rows, [1 / place for place in range(1, len(rows) + 1)])
            return Similar(item_id=item_id, by="content", model_version="v7", items=items)
        try:
            found, ranked = held.recommender.similar(item_id, limit, by)
        except ModelError as error:
            return _problem(404, "Not Found", str(error))
        return Similar(item_id=item_id, by=found, model_version="v7", items=listed(held, *ranked[:2]))

    @app.post("/recommendations/session")
    def session(asked: SessionRequest) -> Any:
        if held.recommender is None:
            return _problem(503, "No model", "no model has been trained yet")
        none = History([], np.zeros(0, dtype=np.int64), np.zeros(0))
        options = asked.options(repeats_usual=False)
        made = make_list(held.recommender, ItemColumns(pa.Table.from_pylist(held.items)), none, options)
        return SessionRecommendations(
            source="popular", model_version="v7", history_events=0, items=told(held, made), note=made.note
        )

    @app.get("/items/{item_id}")
    def item(item_id: str) -> Any:
        known = held.recommender is not None and item_id in held.recommender.index
        return Item(**held.item(item_id)) if known else _problem(404, "Not Found", f"model v7 knows no item {item_id}")

    @app.get("/models")
    def models() -> AllModels:
        names = dict.fromkeys(one.name for one in held.models)
        return AllModels(models=[_versions(held, name) for name in names])

    @app.get("/models/{name}/{version}")
    def model(name: str, version: str) -> Any:
        found = next((one for one in held.models if one.name == name and version in {one.version, one.alias}), None)
        return found or _problem(404, "Not Found", f"there is no version {version} of {name}")

    @app.post("/predict-transaction")
    def predict(asked: Behaviour) -> Prediction:
        said = min(asked.num_addtocart / 10, 1)
        return Prediction(
            visitorid=asked.visitorid_to_identify, will_transact=said >= 0.5, probability=said, model_version="p1"
        )

    @app.post("/segment-user")
    def segment(asked: Totals) -> SegmentOf:
        held.posted.append(asked.model_dump())
        buys = asked.total_transactions > 0
        return SegmentOf(
            visitorid=asked.visitorid_to_identify, cluster_id=4 if buys else 2,
            segment="loyal buyer" if buys else "window shopper", model_version="s1",
        )  # fmt: skip

    @app.get("/recommendations/by-age/{age}")
    def by_age(age: int, limit: int = 10, own_class: bool = False) -> Any:
        if held.recommender is None:
            return _problem(503, "No model", "no model has been trained yet")
        return _for_age(held, age, limit, own_class=own_class)

    @app.get("/users/{user_id:path}/history")
    def history(user_id: str, limit: int = 50) -> ToldHistory:
        events = list(reversed(held.histories[user_id]))[:limit]
        return ToldHistory(
            user_id=user_id, events=[PastEvent(**{**event, "title": _title(held, event)}) for event in events]
        )

    @app.get("/search")
    def search(q: str, limit: int = 10) -> Found:
        found = [item for item in held.items if q.lower() in item["title"].lower()]
        return Found(items=[Card(**item) for item in found[:limit]])

    @app.post("/stream/events", status_code=202)
    def stream(given: list[StreamEvent], idempotency_key: Annotated[str, Header()]) -> Any:
        if held.kafka_away:
            return _problem(503, "Kafka is away", "Kafka does not answer: start it with `saran up`")
        events = [event.model_dump(mode="json", exclude_none=True) for event in given]
        held.posted.extend(events)
        held.keys.append(idempotency_key)
        if not held.worker_away:
            for event in events:
                held.histories[event["user_id"]].append({"value": None, **event})
        return Accepted(accepted=len(events), event_ids=[f"id-{len(held.posted)}"])

    return app


def _versions(held: World, name: str) -> ModelVersions:
    mine = [one for one in held.models if one.name == name]
    champion = next((one.version for one in mine if one.alias == "champion"), None)
    line = held.champions.get(name) or ([] if champion is None else [champion])
    moves = [Move(version=one, at=CREATED, kind="promotion", why="better") for one in line]
    return ModelVersions(
        name=name, champion=champion, versions=[VersionSummary(**one.model_dump()) for one in mine], more=0,
        unreadable={}, moves=moves, previous=line[-2] if len(line) > 1 else None,
    )  # fmt: skip


def details(name: str, version: str, **more: Any) -> VersionDetails:
    """A version that was trained at CREATED; `more` replaces any field."""
    told = {
        "name": name, "version": version, "alias": "champion", "created_at": CREATED, "dataset": "shop",
        "synthetic": False, "algorithm": "als", "figures": {}, "seed": 1, "parameters": {"rank": 64},
        "tables": {"silver.events": 12}, "window": "all events", "newest_event": CREATED, "split": "the last fifth",
        "test_users": 610, "comparison": None, "horizon_days": None, "threshold": None, "calibration": [],
        "confusion": None, "segments": [], "card": None,
    }  # fmt: skip
    return VersionDetails.model_validate({**told, **more})


def _for_age(held: World, age: int, limit: int, *, own_class: bool) -> ForAge:
    """Items of the world that have an `age_rating`, in its order; the first of each kind is called derived."""
    allowed = [one for one in held.items if least_age(one.get("age_rating")) <= age]
    if own_class and allowed:
        own = max(least_age(one["age_rating"]) for one in allowed)
        allowed = [one for one in allowed if least_age(one["age_rating"]) == own]
    items = [
        AgedCard(
            **one,
            score=1 / rank,
            rank=rank,
            age_provenance="derived" if rank == 1 else "given",
            users=None if held.of_age is None else len(allowed) - rank,
        )
        for rank, one in enumerate(allowed[:limit], start=1)
    ]
    return ForAge(
        age=age, own_class=own_class, source="popular" if held.of_age is None else "age_group",
        age_group=held.of_age, model_version="v7", as_of=CREATED,
        provenance="derived" if items else None, synthetic=False, items=items,
        note=None if items else "no item of this model has an age rating",
    )  # fmt: skip


def _title(held: World, event: dict[str, Any]) -> str | None:
    title = held.item(event["item_id"]).get("title")
    return None if title is None else str(title)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve `app` on a free port of loopback from a thread; yields its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    bound = config.bind_socket()
    bound.listen()  # a request that comes before the loop runs waits in the backlog instead of being refused
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        bound.close()


def app_path() -> Path:
    """The dashboard's entry point, as `streamlit run` gets it."""
    return Path(__file__).parents[1] / "src" / "saran" / "dashboard" / "app.py"
