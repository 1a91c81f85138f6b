"""The token by which the next page of a user's list is asked for.

It holds the items that were shown, so nothing is kept here and no page repeats an item, also where events have changed
the order meanwhile. What it belongs to is in it as a hash: user, conditions and model version.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saran.api.problem import Problem, invalid
from saran.core import limits
from saran.core.list_options import ListOptions

_NOT_CONDITIONS: Final = {"limit", "page", "explain", "user_ids", "context"}
_VERSION_BYTES: Final = 4
_CHECK_BYTES: Final = 8
_HEAD: Final = _VERSION_BYTES + _CHECK_BYTES
_ITEM: Final = np.dtype("<u4")

NOTHING_SHOWN: Final = np.zeros(0, dtype=np.int64)


class Page(NamedTuple):
    """A token that was read."""

    version: bytes
    check: bytes
    shown: NDArray[np.int64]


def read_page(token: str) -> Page:
    """Raises Problem 422 for what is no token."""
    try:
        data = base64.urlsafe_b64decode(token.encode("ascii"))
        items = np.frombuffer(data[_HEAD:], dtype=_ITEM)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise _wrong("is no token of a page") from None
    if not 0 < len(items) < limits.MAX_LIST_LENGTH:
        raise _wrong("is no token of a page")
    return Page(data[:_VERSION_BYTES], data[_VERSION_BYTES:_HEAD], items.astype(np.int64))


def check_page(page: Page, user_id: str, options: ListOptions | None, version: str) -> None:
    """Raises Problem 410 for a page of another model version, 422 for one of another user or of other conditions."""
    if page.version != _digest(version.encode(), _VERSION_BYTES):
        raise Problem(410, f"the page is of another model version than {version}, which is served now: begin anew")
    if page.check != _check(page.shown.astype(_ITEM).tobytes(), user_id, options, version):
        raise _wrong("is of another user's list, or of one with other conditions")


def next_page(
    shown: NDArray[np.int64],
    items: NDArray[np.int64],
    limit: int,
    user_id: str,
    options: ListOptions | None,
    version: str,
) -> str | None:
    """The token of what follows `items`, None where nothing does."""
    count = len(shown) + len(items)
    if len(items) < limit or count >= limits.MAX_LIST_LENGTH:
        return None
    data = items.astype(_ITEM).tobytes()
    if len(shown):
        data = shown.astype(_ITEM).tobytes() + data
    check = _check(data, user_id, options, version)
    return base64.urlsafe_b64encode(_digest(version.encode(), _VERSION_BYTES) + check + data).decode()


def _check(items: bytes, user_id: str, options: ListOptions | None, version: str) -> bytes:
    told = "{}" if options is None else options.model_dump_json(exclude=_NOT_CONDITIONS, exclude_defaults=True)
    return _digest(f"{version}\0{user_id}\0{told}\0".encode() + items, _CHECK_BYTES)


def _digest(data: bytes, size: int) -> bytes:
    return hashlib.blake2b(data, digest_size=size).digest()


def _wrong(reason: str) -> Problem:
    return invalid([(("query", "page"), reason)])
