"""The query of a list for a user, read without FastAPI's machinery."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.types import Scope

from saran.api.problem import invalid
from saran.core import limits
from saran.core.list_options import UserListOptions

_DEFAULT_LIMIT: Final = 10
_LISTS: Final = frozenset({"category", "exclude"})
_BEYOND_LIMIT: Final = frozenset(UserListOptions.model_fields) - {"limit"}


def list_query(scope: Scope) -> tuple[int, UserListOptions | None]:
    """The limit, and all options when one other than the limit was given. Raises Problem 422."""
    if not scope["query_string"]:
        return _DEFAULT_LIMIT, None
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    given: dict[str, Any] = dict(pairs)
    if _BEYOND_LIMIT.isdisjoint(given):
        return _limit(given.get("limit")), None
    for name in _LISTS.intersection(given):
        given[name] = [value for key, value in pairs if key == name]
    try:
        options = UserListOptions.model_validate(given)
    except ValidationError as error:
        raise invalid([(("query", *one["loc"]), one["msg"]) for one in error.errors()]) from None
    return options.limit, options


def _limit(given: str | None) -> int:
    if given is None:
        return _DEFAULT_LIMIT
    most = limits.MAX_LIST_LENGTH
    if not (given.isascii() and given.isdigit() and len(given) < 10 and 1 <= int(given) <= most):
        raise invalid([(("query", "limit"), f"is {given[:20]!r}, not an integer from 1 to {most}")])
    return int(given)
