"""The test of `helm test`: an event goes through the whole platform. `check_pipeline.py API DASHBOARD DATABASE`.

The arguments are hosts. One event is posted to the API; the online store must show it in the user's history, silver
must count it, and the user must get recommendations once a model was trained. The API must refuse a wrong key; the
right one is in SARAN_API_KEY. The database must not be reachable from here; an empty name leaves that out. Needs
nothing but Python.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

SECONDS = 10
PATIENCE_SECONDS = 180
OK, ACCEPTED, UNAUTHORIZED, UNAVAILABLE = 200, 202, 401, 503
_log = logging.getLogger("test")


def call(host: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
    """Status and decoded answer; 503 when there is none."""
    connection = http.client.HTTPConnection(host, timeout=SECONDS)
    try:
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key or os.environ['SARAN_API_KEY']}"}
        connection.request("GET" if body is None else "POST", path, content, headers)
        answer = connection.getresponse()
        text = answer.read()
    except OSError as error:
        return UNAVAILABLE, {"detail": str(error)}
    finally:
        connection.close()
    is_json = "json" in answer.getheader("Content-Type", "")
    return answer.status, json.loads(text) if is_json else text.decode()


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait until it holds; ends the test when it does not in PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"not so after {PATIENCE_SECONDS} s: {what}")
        time.sleep(1)
    _log.info("ok: %s", what)


def rows(api: str) -> int:
    """Events in silver, as the API counts them."""
    status, answer = call(api, "/system/metrics")
    return int(answer["tables"].get("silver.events", {"rows": 0})["rows"]) if status == OK else 0


def closed(host: str, port: int) -> bool:
    """Whether no connection can be made."""
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return True
    return False


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    api, dashboard, database = sys.argv[1:4]
    until("the API is ready", lambda: call(api, "/ready")[0] == OK)
    status, _ = call(api, "/system/metrics", key="wrong")
    if status != UNAUTHORIZED:
        sys.exit(f"the API answers {status} to a wrong key")
    _log.info("ok: a wrong key gets 401")
    user, before = f"helm-test-{uuid.uuid4()}", rows(api)
    # Not later than the newest event: analytics of a replayed file are as of that one.
    when = call(api, "/system/metrics")[1].get("as_of") or datetime.now(UTC).isoformat(timespec="milliseconds")
    event = {"user_id": user, "item_id": "1", "action": "view", "event_time": when, "source": "helm-test"}
    status, answer = call(api, "/stream/events", [event])
    if status != ACCEPTED or answer["accepted"] != 1:
        sys.exit(f"the API did not take an event: {status} {answer}")
    until("the event is in the user's history", lambda: bool(call(api, f"/users/{user}/history")[1].get("events")))
    until("silver has one event more", lambda: rows(api) > before)
    status, answer = call(api, f"/recommendations/user/{user}?limit=5")
    if status == UNAVAILABLE:
        _log.info("no model was trained yet: recommendations are not tested")
    elif status != OK or not answer["items"]:
        sys.exit(f"no recommendations: {status} {answer}")
    else:
        _log.info("ok: recommendations of %s, source %s", answer["model_version"], answer["source"])
    until("the dashboard answers", lambda: call(dashboard, "/_stcore/health")[0] == OK)
    if database:
        if not closed(database, 5432):
            sys.exit(f"{database} can be reached from a pod that has no business there: are NetworkPolicies enforced?")
        _log.info("ok: the database is out of reach")


if __name__ == "__main__":
    main()
