"""Lists as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from saran.api.model_store import Served
from saran.api.recommendation_ids import recommendation_id
from saran.core.listing import Cause, Listed

_NO_CAUSES: Final = b',"because":[]'


def list_json(
    served: Served, listed: Listed, history_events: int, *, first: int = 1, made: bytes = b"", **more: Any
) -> bytes:
    """JSON object of a list; `more` members come first, ranks count from `first`. `made` is its id, or it gets one."""
    return b'{"recommendation_id":"%b",%b%b' % (
        made or recommendation_id(),
        _members(more),
        list_content(served, listed, history_events, first=first),
    )


def list_content(served: Served, listed: Listed, history_events: int, *, first: int = 1) -> bytes:
    """What of a list's JSON object is the same for the same list: all that comes after its own members."""
    ranked = listed.ranked
    ends = [_because(served, causes) for causes in listed.because] or [_NO_CAUSES] * len(ranked.items)
    return b'"source":"%b","model_version":"%b","history_events":%d,"note":%b,"items":%b}' % (
        b"personal" if ranked.personal else b"popular",
        served.manifest.version.encode(),
        history_events,
        b"null" if listed.note is None else json.dumps(listed.note).encode(),
        served.catalogue.ranked(ranked.items, ranked.scores, ends, first=first),
    )


def _members(given: Mapping[str, Any]) -> bytes:
    return b"".join([b'"%b":%b,' % (name.encode(), json.dumps(value).encode()) for name, value in given.items()])


def _because(served: Served, causes: list[Cause]) -> bytes:
    if not causes:
        return _NO_CAUSES
    told = [
        {
            "item_id": served.recommender.item_ids[cause.item],
            "title": served.catalogue.title(cause.item),
            "share": float(f"{cause.share:.6g}"),
        }
        for cause in causes
    ]
    return b',"because":%b' % json.dumps(told, separators=(",", ":")).encode()
