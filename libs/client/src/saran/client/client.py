"""The API's routes as methods with typed questions and answers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from saran.client.errors import ApiError
from saran.client.transport import TIMEOUT, Transport
from saran.core.analytics_shapes import (
    BucketRange,
    CategoryRange,
    Funnel,
    FunnelRange,
    FunnelUsers,
    FunnelUsersRange,
    Heatmap,
    Retention,
    RetentionRange,
    Timeline,
    Trending,
    Trends,
    TrendsRange,
    TrendWindow,
    UserBehavior,
)
from saran.core.api_shapes import (
    Accepted,
    AlikeUsers,
    Card,
    Categories,
    CategoryCount,
    ErasureProgress,
    ErasureTaken,
    ForAge,
    Found,
    History,
    Imported,
    Kind,
    ListsOfUsers,
    RankedCandidates,
    RankedCard,
    Recommendations,
    SessionRecommendations,
    Similar,
    StreamEvent,
    Taken,
    UserProfile,
)
from saran.core.entities import Item, ItemFacts, UserFacts
from saran.core.experiment_shapes import Experiment, ExperimentDefinition, ExperimentFigures, Experiments
from saran.core.list_options import ListOptions, RankRequest, SessionRequest, UsersRequest
from saran.core.model_shapes import AllModels, ChampionMoved, ModelVersions, PromoteRequest, VersionDetails
from saran.core.pipeline_shapes import Batches, RejectedRecords, TableFacts, Tables
from saran.core.replay_shapes import Replay, ReplayRequest
from saran.core.strategy_shapes import Strategies, StrategyOptions
from saran.core.system_shapes import Batch, Health, Readiness, SystemMetrics, WhoAsks
from saran.core.visitor_shapes import Behaviour, Prediction, SegmentOf, SegmentsTold, Totals

_Answer = TypeVar("_Answer", bound=BaseModel)
_LONG_TIMEOUT: Final = httpx.Timeout(60.0, connect=1.0)
"""Waits for one part of an import to be taken, and for the answer of what reads a lot first."""

_RANKED: Final = TypeAdapter(list[RankedCard])


class Client:
    """The API at `url`, asked with `key` where it wants one. Threads can share it.

    A question is asked up to `retries` times more when the API is away, overloaded or behind a gateway that lost it
    (429, 502, 503, 504); the waits between are `Retry-After`'s, at most five seconds each. Orders to erase are sent
    once. Every method raises ApiAway or ApiError, whose text says cause and fix.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        retries: int = 2,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`timeout` is for one try; `pause` waits the seconds between two."""
        self._transport = Transport(url, key=key, timeout=timeout, retries=retries, pause=pause)

    @property
    def url(self) -> str:
        """The API's address."""
        return self._transport.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    # How the installation is

    def live(self) -> Readiness:
        """Whether the process answers."""
        return self._get(Readiness, "/live")

    def ready(self) -> Readiness:
        """Whether it can serve. ApiError with status 503 when it cannot."""
        return self._get(Readiness, "/ready")

    def whoami(self) -> WhoAsks:
        """Whom this client's key was given to."""
        return self._get(WhoAsks, "/whoami")

    def health(self) -> Health:
        """Which parts are there."""
        return self._get(Health, "/health")

    def metrics(self) -> SystemMetrics:
        """Counts by layer, rate, lag and the served model."""
        return self._get(SystemMetrics, "/system/metrics")

    def batches(self, *, limit: int = 100) -> list[Batch]:
        """The last micro-batches of ingest that held records, the newest first."""
        return self._get(Batches, "/system/batches", limit=limit).batches

    def rejected(self, *, sample: int = 20) -> RejectedRecords:
        """Records that were refused: by reason, and the newest `sample`."""
        return self._get(RejectedRecords, "/system/rejected", sample=sample)

    def replay(self, asked: ReplayRequest) -> Replay:
        """Send refused records again, corrected or as they are; sent twice, they change nothing."""
        path = "/system/rejected/replay"
        body = asked.model_dump(mode="json", exclude_defaults=True)
        answer = self._transport.ask("POST", path, safe=True, json=body, timeout=_LONG_TIMEOUT)
        return self._answer(Replay, answer, path)

    def tables(self) -> list[TableFacts]:
        """The lakehouse's tables with their versions and sizes, by name."""
        return self._get(Tables, "/system/tables").tables

    def follow_metrics(self) -> Iterator[SystemMetrics]:
        """What `metrics` tells, each second, until the API ends it after an hour."""
        return map(SystemMetrics.model_validate_json, self._transport.stream("/stream/analytics"))

    # Lists

    def recommendations(self, user_id: str, options: ListOptions | None = None) -> Recommendations:
        """The best items for a user, known or not. ApiError with status 503 before the first training.

        What follows is asked for by UserListOptions with `page` and otherwise the same.
        """
        return self._get(Recommendations, f"/recommendations/user/{_segment(user_id)}", **_query(options))

    def strategies(self, user_id: str, options: StrategyOptions | None = None) -> Strategies:
        """A user's lists by each strategy. ApiError with status 404 when the served model lacks one that is asked."""
        return self._get(Strategies, f"/recommendations/strategies/{_segment(user_id)}", **_query(options))

    def follow(self, user_id: str, options: ListOptions | None = None) -> Iterator[Recommendations]:
        """A user's list at once, then each new one. Ends when the API ends it, after an hour: follow again to go on."""
        path = f"/stream/recommendations/{_segment(user_id)}"
        return map(Recommendations.model_validate_json, self._transport.stream(path, **_query(options)))

    def for_visitor(self, visitorid: int, *, num_recommendations: int = 5, fallback: bool = False) -> list[RankedCard]:
        """Retail Rocket's own list: none for a visitor without a history, unless `fallback`."""
        path = f"/recommendations/{visitorid}"
        asked = {"num_recommendations": num_recommendations, "fallback": fallback}
        return _typed(_RANKED.validate_json, self._transport.ask("GET", path, safe=True, params=asked), path)

    def session(self, asked: SessionRequest) -> SessionRecommendations:
        """A list for a visitor who is known by the session only."""
        return self._ask(SessionRecommendations, "/recommendations/session", asked)

    def batch(self, asked: UsersRequest) -> list[Recommendations]:
        """The lists of several users, in the order asked."""
        return self._ask(ListsOfUsers, "/recommendations/batch", asked).lists

    def rank(self, asked: RankRequest) -> RankedCandidates:
        """The caller's own items, ranked for a user or a session."""
        return self._ask(RankedCandidates, "/rank", asked)

    def similar(self, item_id: str, *, limit: int = 10, by: Literal["behaviour", "content"] | None = None) -> Similar:
        """The items most like one. ApiError with status 404 when the model does not know it, or nothing of `by`."""
        asked = {"limit": limit} if by is None else {"limit": limit, "by": by}
        return self._get(Similar, f"/recommendations/similar/{_segment(item_id)}", **asked)

    def by_age(self, age: int, *, limit: int = 10, own_class: bool = False) -> ForAge:
        """What is popular of what somebody of `age` years may see."""
        return self._get(ForAge, f"/recommendations/by-age/{age}", limit=limit, own_class=own_class)

    def trending(
        self, *, limit: int = 10, category: str | None = None, window: TrendWindow = TrendWindow.DAY
    ) -> Trending:
        """Items on the rise; what is popular, and why, where there are no figures."""
        asked: dict[str, Any] = {"limit": limit, "window": window.value}
        return self._get(Trending, "/recommendations/trending", **asked | ({"category": category} if category else {}))

    def categories(self) -> list[CategoryCount]:
        """The categories that a list can be asked for, those of most items first."""
        return self._get(Categories, "/categories").categories

    # Analytics: ApiError with status 503 while there are no figures

    def user_behavior(self, asked: CategoryRange | None = None) -> UserBehavior:
        """Users, sessions, funnel, hours and speed at a glance."""
        return self._get(UserBehavior, "/analytics/user_behavior", **_query(asked))

    def funnel(self, asked: FunnelRange | None = None) -> Funnel:
        """View, click, cart, purchase."""
        return self._get(Funnel, "/analytics/funnel", **_query(asked))

    def funnel_users(self, asked: FunnelUsersRange) -> FunnelUsers:
        """Who stopped at a step. ApiError with status 422 for a time of too many events."""
        return self._get(FunnelUsers, "/analytics/funnel/users", **_query(asked))

    def timeline(self, asked: BucketRange | None = None) -> Timeline:
        """Events and revenue over time."""
        return self._get(Timeline, "/analytics/timeline", **_query(asked))

    def heatmap(self, asked: CategoryRange | None = None) -> Heatmap:
        """Events by weekday and hour."""
        return self._get(Heatmap, "/analytics/heatmap", **_query(asked))

    def trends(self, asked: TrendsRange | None = None) -> Trends:
        """Categories over time, and their growth."""
        return self._get(Trends, "/analytics/trends", **_query(asked))

    def retention(self, asked: RetentionRange | None = None) -> Retention:
        """How many users come again, by cohorts of their first event."""
        return self._get(Retention, "/analytics/retention", **_query(asked))

    def segments(self) -> SegmentsTold:
        """The segments of users, the largest first. ApiError with status 503 before the first segmentation."""
        return self._get(SegmentsTold, "/analytics/segments")

    # The catalogue

    def item(self, item_id: str) -> Item:
        """All that the catalogue says of an item. ApiError with status 404 when the model does not know it."""
        return self._get(Item, f"/items/{_segment(item_id)}")

    def put_item(self, item_id: str, facts: ItemFacts) -> Taken:
        """Add or replace an item; returns when Kafka has it. Lists have it from the next training on."""
        return self._put(f"/items/{_segment(item_id)}", facts)

    def put_items(self, items: Iterable[Item]) -> Taken:
        """Add or replace items, up to saran.core.limits.MAX_EVENTS_PER_REQUEST."""
        return self._post(Taken, "/items", [item.model_dump(mode="json", exclude_none=True) for item in items])

    def delete_item(self, item_id: str) -> Taken:
        """The item is no longer to be had."""
        path = f"/items/{_segment(item_id)}"
        return self._answer(Taken, self._transport.ask("DELETE", path, safe=True), path)

    def search(self, query: str, *, limit: int = 20) -> list[Card]:
        """Items whose title holds `query`, most popular first."""
        return self._get(Found, "/search", q=query, limit=limit).items

    def media(self, path: str) -> bytes:
        """An image of the installation's own, by what follows /media/ in a card's `image_url`."""
        return self._transport.ask("GET", f"/media/{quote(path)}", safe=True).content

    # Events and users

    def send(self, events: Sequence[StreamEvent], *, idempotency_key: str | None = None) -> Accepted:
        """Post events; returns when Kafka has them. Sending again with the same key adds nothing.

        A key is made when none is given, so that tries of one call add nothing either.
        """
        body = [event.model_dump(mode="json", exclude_none=True) for event in events]
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        return self._post(Accepted, "/stream/events", body, headers=headers)

    def history(self, user_id: str, *, limit: int = 50) -> History:
        """A user's last `limit` events, newest first; empty for an unknown user."""
        return self._get(History, f"/users/{_segment(user_id)}/history", limit=limit)

    def user(self, user_id: str) -> UserProfile:
        """What is known of a user. ApiError with status 404 when that is nothing."""
        return self._get(UserProfile, f"/users/{_segment(user_id)}")

    def similar_users(self, user_id: str, *, limit: int = 10) -> AlikeUsers:
        """Users whose taste is like a user's. ApiError with status 404 without an event of the user."""
        return self._get(AlikeUsers, f"/users/{_segment(user_id)}/similar", limit=limit)

    def put_user(self, user_id: str, facts: UserFacts) -> Taken:
        """Say who a user is, in place of what was said before."""
        return self._put(f"/users/{_segment(user_id)}", facts)

    def erase_user(self, user_id: str) -> ErasureTaken:
        """Forget a user for ever. It cannot be undone."""
        return self._order(f"/users/{_segment(user_id)}")

    def erase_events(self, user_id: str) -> ErasureTaken:
        """Erase what a user did up to now, for ever."""
        return self._order(f"/users/{_segment(user_id)}/events")

    def erasure(self, user_id: str) -> ErasureProgress:
        """How far a user's erasure is. ApiError with status 404 when none is known."""
        return self._get(ErasureProgress, f"/users/{_segment(user_id)}/erasure")

    # Models

    def models(self, *, limit: int = 20) -> list[ModelVersions]:
        """The versions of every model that was trained, the newest `limit` of each."""
        return self._get(AllModels, "/models", limit=limit).models

    def model(self, name: str, version: str = "champion") -> VersionDetails:
        """A version's figures and card. ApiError with status 404 when there is no such version."""
        return self._get(VersionDetails, f"/models/{_segment(name)}/{_segment(version)}")

    def promote(self, name: str, version: str) -> ChampionMoved:
        """Make a version the champion. ApiError with status 404 when there is none, 409 when it must not be served."""
        asked = PromoteRequest(version=version).model_dump(mode="json")
        path = f"/system/models/{_segment(name)}/promote"
        return self._post(ChampionMoved, path, asked, timeout=_LONG_TIMEOUT)

    def roll_back(self, name: str) -> ChampionMoved:
        """Make the champion before this one the champion. ApiError with status 409 when there was none."""
        path = f"/system/models/{_segment(name)}/rollback"
        return self._answer(ChampionMoved, self._transport.ask("POST", path, safe=False, timeout=_LONG_TIMEOUT), path)

    # Experiments

    def experiments(self) -> list[ExperimentFigures]:
        """All experiments with their figures, the newest first."""
        return self._get(Experiments, "/experiments").experiments

    def put_experiment(self, name: str, definition: ExperimentDefinition) -> Experiment:
        """Begin, change or end an experiment. ApiError with status 409 when another runs, or its variants differ."""
        path = f"/experiments/{_segment(name)}"
        body = definition.model_dump(mode="json")
        return self._answer(Experiment, self._transport.ask("PUT", path, safe=True, json=body), path)

    # What behaviour says

    def export(self, kind: Kind) -> Iterator[str]:
        """All items, users or events, a line of JSON each, while they come. ApiAway when they end too early."""
        return self._transport.lines(f"/export/{kind}")

    def import_lines(self, kind: Kind, lines: Iterable[str], *, idempotency_key: str | None = None) -> Imported:
        """Send lines as `export` gives them, however many, once. ApiError when none is one of them."""
        headers = {"content-type": "application/x-ndjson"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        path, body = f"/import/{kind}", (f"{line}\n".encode() for line in lines)
        answer = self._transport.ask("POST", path, safe=False, content=body, headers=headers, timeout=_LONG_TIMEOUT)
        return self._answer(Imported, answer, path)

    def predict_transaction(self, behaviour: Behaviour) -> Prediction:
        """Whether a visitor will buy. ApiError with status 503 where no such model is served."""
        return self._ask(Prediction, "/predict-transaction", behaviour)

    def segment_user(self, totals: Totals) -> SegmentOf:
        """The segment that a visitor belongs to. ApiError with status 503 where no such model is served."""
        return self._ask(SegmentOf, "/segment-user", totals)

    def _get(self, shape: type[_Answer], path: str, **params: Any) -> _Answer:
        return self._answer(shape, self._transport.ask("GET", path, safe=True, params=params), path)

    def _ask(self, shape: type[_Answer], path: str, question: BaseModel) -> _Answer:
        """A question that is too long for a query; it changes nothing."""
        return self._post(shape, path, question.model_dump(mode="json", exclude_defaults=True))

    def _post(self, shape: type[_Answer], path: str, body: Any, **request: Any) -> _Answer:
        return self._answer(shape, self._transport.ask("POST", path, safe=True, json=body, **request), path)

    def _put(self, path: str, facts: BaseModel) -> Taken:
        body = facts.model_dump(mode="json", exclude_none=True)
        return self._answer(Taken, self._transport.ask("PUT", path, safe=True, json=body), path)

    def _order(self, path: str) -> ErasureTaken:
        return self._answer(ErasureTaken, self._transport.ask("DELETE", path, safe=False), path)

    def _answer(self, shape: type[_Answer], response: httpx.Response, path: str) -> _Answer:
        return _typed(shape.model_validate_json, response, path)


_T = TypeVar("_T")


def _typed(read: Callable[[bytes], _T], response: httpx.Response, path: str) -> _T:
    try:
        return read(response.content)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise ApiError(
                f"{response.url.copy_with(query=None)} answers something other than JSON",
                fix="check the address: is it Saran's API?",
            ) from error
        field = ".".join(str(part) for part in first["loc"])
        raise ApiError(
            f"the API's answer to {path} is not understood ({field}: {first['msg']})",
            fix="use a client and an API of the same version",
        ) from error


def _query(options: BaseModel | None) -> dict[str, Any]:
    return {} if options is None else options.model_dump(mode="json", exclude_defaults=True, by_alias=True)


def _segment(identifier: str) -> str:
    """An id as one segment of a path, whatever characters it holds."""
    return quote(identifier, safe="")
