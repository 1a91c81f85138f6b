"""A key that is bound to users asks of no other user, and nothing that tells of others: who a request is about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.types import Scope

from saran.api.problem import Problem
from saran.core.api_keys import Holder

BOUND: Final = "saran.bound"
"""Where a request's scope has the holder of a key that is bound to users; other requests do not have it."""

_NAMES: Final = frozenset({"user_id", "user_ids", "user", "visitorid", "visitorid_to_identify"})
"""Parameters and members of a body that name users."""

_NAMED_IN_BODY: Final = frozenset(
    {"/stream/events", "/rank", "/recommendations/batch", "/predict-transaction", "/segment-user"}
)
_OF_NOBODY: Final = frozenset(
    {
        "/categories",
        "/items/{item_id:path}",
        "/rank",
        "/recommendations/by-age/{age}",
        "/recommendations/session",
        "/recommendations/similar/{item_id:path}",
        "/recommendations/trending",
        "/search",
    }
)
"""What tells of items, or answers from what the request itself says. A route that is neither here nor names a user is
not for a bound key."""

_CHANGES: Final = frozenset({"PUT", "POST", "PATCH", "DELETE"})


async def own_users_only(request: Request) -> None:
    """A dependency of every route. Raises Problem 403."""
    if BOUND in request.scope:
        path = getattr(request.scope.get("route"), "path", "")
        check_named(request.scope, await request.body() if path in _NAMED_IN_BODY else b"")


def owned(scope: Scope) -> Callable[[str], bool] | None:
    """Whether a user is the key's, for an answer that names users; None where the key is bound to none."""
    holder: Holder | None = scope.get(BOUND)
    return None if holder is None else holder.owns


def check_named(scope: Scope, body: bytes = b"") -> None:
    """Raises Problem 403 when a bound key asks of another user than its own, or of none where that is not for it."""
    holder: Holder | None = scope.get(BOUND)
    if holder is None:
        return
    path = getattr(scope.get("route"), "path", "")
    pairs = [*scope["path_params"].items(), *parse_qsl(scope["query_string"].decode("latin-1"))]
    named = [str(value) for name, value in pairs if name in _NAMES]
    if path in _NAMED_IN_BODY:
        named += _in_body(body)
    if not all(map(holder.owns, named)):
        raise Problem(403, f"the key of {holder.name} is for other users")
    # Items are everybody's: a client of some users may read them, not change them.
    changes_all = scope["method"] in _CHANGES and path.startswith("/items")
    if not named and (path not in _OF_NOBODY or changes_all):
        raise Problem(403, f"the key of {holder.name} is bound to users, and this tells of others or of nobody")


def _in_body(body: bytes) -> Iterable[str]:
    """Users whom a JSON object, or the objects of a list, name; what is no JSON the route itself refuses."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return []
    members: list[Any] = found if isinstance(found, list) else [found]
    values = [one[name] for one in members if isinstance(one, dict) for name in _NAMES.intersection(one)]
    users = [user for value in values for user in (value if isinstance(value, list) else [value])]
    return [str(user) for user in users if user is not None]
