"""The API's routes, as `saran check` asks them: every GET, with a user, an item and a model that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import httpx

from saran.cli.check.looks import SECONDS, left_out, within
from saran.cli.doctor import Finding
from saran.client import ApiError, Client
from saran.core.errors import SaranError
from saran.core.names import Model
from saran.core.settings import Settings
from saran.core.system_shapes import DatasetFacts

_AGE: Final = 13
_NOT_FOUND: Final = 404
_TRAIN: Final = "train a model of lists: `saran train recommender`"
_LOG: Final = "see `saran logs api`"
_PATIENCE: Final = httpx.Timeout(SECONDS, connect=2.0)


class _NothingToAskError(Exception):
    """The installation has no id that the route could be asked with."""


@dataclass(frozen=True)
class Known:
    """What the first answers tell, to ask the others with; None where the installation has no such thing."""

    about: DatasetFacts | None = None
    user: str | None = None
    item: str | None = None
    image: str | None = None
    """What follows /media/ in the address of a picture of the installation's own."""
    model: str | None = None
    fix: str = _LOG
    """What to do about an answer that names no fix: what the installation lacks first."""


Ask = Callable[[Client, Known], str]
T = TypeVar("T")


def routes(settings: Settings) -> Iterator[tuple[Finding, Known]]:
    """Each GET route of ROUTES with what is known after it. Where /live does not answer, nothing else is asked."""
    known = Known()
    key = settings.api_key.get_secret_value()
    with Client(settings.api_url, key=key, timeout=_PATIENCE, retries=0) as client:
        try:
            client.live()
        except ApiError as error:
            yield Finding("/live", False, error.message, error.fix or _LOG), known
            return
        known = _ids(client)
        for path, ask in ROUTES.items():
            yield _asked(path, ask, client, known), known


def _ids(client: Client) -> Known:
    """Real ids. What has none leaves its routes out; why it has none, its own route says."""
    known = Known()
    try:
        metrics = client.metrics()
        known = replace(known, about=metrics.about)
        if metrics.suggested_users:
            known = replace(known, user=metrics.suggested_users[0].user_id)
        if metrics.as_of is None:
            known = replace(known, fix=f"load events: `saran load {metrics.dataset}`")
        elif metrics.model is None:
            known = replace(known, fix=_TRAIN)
        models = [one for one in client.models() if one.champion is not None]
        if models:
            known = replace(known, model=models[0].name)
        if known.user is not None:
            items = client.recommendations(known.user).items
            images = [str(one.image_url) for one in items if one.image_url]
            own = next((url.partition("/media/")[2] for url in images if url.startswith("/media/")), None)
            known = replace(known, item=items[0].item_id if items else None, image=own)
    except ApiError:
        return known
    return known


def _asked(path: str, ask: Ask, client: Client, known: Known) -> Finding:
    try:
        return Finding(path, True, within(lambda: ask(client, known), 2 * SECONDS))
    except _NothingToAskError as error:
        return left_out(path, f"not asked: {error}")
    except SaranError as error:
        return Finding(path, False, error.message, error.fix or known.fix)


def _need(value: T | None, what: str) -> T:
    if value is None:
        raise _NothingToAskError(what)
    return value


def _user(known: Known) -> str:
    return _need(known.user, "no user has events yet")


def _item(known: Known) -> str:
    return _need(known.item, "no list has an item yet")


def _live(client: Client, known: Known) -> str:
    return client.live().status


def _ready(client: Client, known: Known) -> str:
    return client.ready().status


def _health(client: Client, known: Known) -> str:
    health = client.health()
    if health.status != "ok":
        raise SaranError(f"{health.status}: {'; '.join(health.warnings)}")
    return f"{health.status}, serves {', '.join(health.models_loaded) or 'no model'}"


def _metrics(client: Client, known: Known) -> str:
    metrics = client.metrics()
    if not metrics.suggested_users:
        raise SaranError("no user has events yet", fix=f"load events: `saran load {metrics.dataset}`")
    if metrics.model is None:
        raise SaranError("no model of lists is served", fix=_TRAIN)
    return f"data set {metrics.dataset}, model {metrics.model.version}"


def _batches(client: Client, known: Known) -> str:
    return f"{len(client.batches())} micro-batches"


def _rejected(client: Client, known: Known) -> str:
    return f"{client.rejected().rows:,} records were rejected"


def _tables(client: Client, known: Known) -> str:
    return f"{len(client.tables())} tables"


def _recommendations(client: Client, known: Known) -> str:
    user = _user(known)
    answer = client.recommendations(user)
    if not answer.items:
        raise SaranError(f"the list of user {user} is empty", fix=_LOG)
    return f"{len(answer.items)} items for user {user}, {answer.source}"


def _strategies(client: Client, known: Known) -> str:
    user = _user(known)
    told = client.strategies(user).lists
    return f"lists of user {user} by " + ", ".join(one.strategy for one in told if one.items)


def _for_visitor(client: Client, known: Known) -> str:
    user = _user(known)
    if not user.isdecimal():
        raise _NothingToAskError("the users of this data set are no numbers")
    return f"{len(client.for_visitor(int(user)))} items for visitor {user}"


def _similar(client: Client, known: Known) -> str:
    item = _item(known)
    return f"{len(client.similar(item).items)} items like {item}"


def _by_age(client: Client, known: Known) -> str:
    answer = client.by_age(_AGE)
    liked = "" if answer.age_group is None else f", by what {answer.age_group.people:,} of {answer.age_group.name} like"
    return f"{len(answer.items)} items for {_AGE} years{liked}" + (f": {answer.note}" if answer.note else "")


def _trending(client: Client, known: Known) -> str:
    answer = client.trending()
    return f"{len(answer.items)} items, {answer.source}"


def _follow(client: Client, known: Known) -> str:
    user = _user(known)
    return f"a list of {len(next(client.follow(user)).items)} items for user {user} at once"


def _follow_metrics(client: Client, known: Known) -> str:
    return f"{next(client.follow_metrics()).requests:,} requests were answered"


def _picture(client: Client, known: Known) -> str:
    return f"{len(client.media(_need(known.image, 'no item has a picture of its own here'))):,} bytes"


def _profile(client: Client, known: Known) -> str:
    user = _user(known)
    return f"{client.user(user).history_events:,} events of user {user}"


def _history(client: Client, known: Known) -> str:
    user = _user(known)
    events = client.history(user).events
    if not events:
        raise SaranError(f"user {user} has events, and its history has none", fix="see `saran logs worker`")
    return f"the last {len(events)} events of user {user}"


def _similar_users(client: Client, known: Known) -> str:
    user = _user(known)
    try:
        found = client.similar_users(user)
    except ApiError as error:
        if error.status == _NOT_FOUND:
            raise _NothingToAskError(error.message) from None
        raise
    return f"{len(found.users)} of {found.compared:,} users are most like user {user}"


def _erasure(client: Client, known: Known) -> str:
    user = _user(known)
    try:
        client.erasure(user)
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        return f"nobody asked to erase user {user}"
    return f"user {user} is being erased"


def _card(client: Client, known: Known) -> str:
    item = client.item(_item(known))
    return item.title or item.item_id


def _search(client: Client, known: Known) -> str:
    title = client.item(_item(known)).title
    found = client.search(_need(title, "the item has no title"))
    if not found:
        raise SaranError(f"{title!r} is the title of an item, and is not found", fix=_LOG)
    return f"{len(found)} items are found by the title {title!r}"


def _version(client: Client, known: Known) -> str:
    details = client.model(_need(known.model, "there is no champion yet"))
    return f"{details.name} {details.version}"


def _behaviour(client: Client, known: Known) -> str:
    return f"{client.user_behavior().total_users:,} users"


def _funnel(client: Client, known: Known) -> str:
    return f"up to {client.funnel().as_of:%Y-%m-%d}"


def _timeline(client: Client, known: Known) -> str:
    return f"up to {client.timeline().as_of:%Y-%m-%d}"


def _heatmap(client: Client, known: Known) -> str:
    return f"up to {client.heatmap().as_of:%Y-%m-%d}"


def _trends(client: Client, known: Known) -> str:
    return f"up to {client.trends().as_of:%Y-%m-%d}"


def _retention(client: Client, known: Known) -> str:
    return f"{len(client.retention().cohorts)} cohorts"


def _segments(client: Client, known: Known) -> str:
    if Model.USER_SEGMENTATION not in client.health().models_loaded:
        raise _NothingToAskError("no segmentation is served")
    return f"{len(client.segments().segments)} segments"


ROUTES: Final[Mapping[str, Ask]] = {
    "/live": _live,
    "/ready": _ready,
    "/health": _health,
    "/whoami": lambda client, known: client.whoami().name or "the API asks for no key",
    "/system/metrics": _metrics,
    "/system/batches": _batches,
    "/system/rejected": _rejected,
    "/system/tables": _tables,
    "/recommendations/user/{user_id}": _recommendations,
    "/recommendations/strategies/{user_id}": _strategies,
    "/recommendations/{visitorid}": _for_visitor,
    "/recommendations/similar/{item_id}": _similar,
    "/recommendations/by-age/{age}": _by_age,
    "/recommendations/trending": _trending,
    "/stream/recommendations/{user_id}": _follow,
    "/stream/analytics": _follow_metrics,
    "/users/{user_id}": _profile,
    "/users/{user_id}/history": _history,
    "/users/{user_id}/erasure": _erasure,
    "/users/{user_id}/similar": _similar_users,
    "/categories": lambda client, known: f"{len(client.categories())} categories",
    "/items/{item_id}": _card,
    "/search": _search,
    "/media/{path}": _picture,
    "/models": lambda client, known: f"{len(client.models())} models were trained",
    "/models/{name}/{version}": _version,
    "/experiments": lambda client, known: f"{len(client.experiments())} experiments",
    "/analytics/user_behavior": _behaviour,
    "/analytics/funnel": _funnel,
    "/analytics/timeline": _timeline,
    "/analytics/heatmap": _heatmap,
    "/analytics/trends": _trends,
    "/analytics/retention": _retention,
    "/analytics/segments": _segments,
}
"""How each GET route is asked and what its answer says in a line, in the table's order. Exports are left out: they
send all there is."""
