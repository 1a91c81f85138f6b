"""The program of `helm test`, against an API that answers as Saran's does."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any, ClassVar

import pytest
from charts.tests.carried import carried


class _Api(BaseHTTPRequestHandler):
    """An API whose worker and streams are as quick as the request. `broken` names what does not work."""

    taken: ClassVar[list[dict[str, Any]]] = []
    broken: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        if self.headers["Authorization"] != "Bearer right" and "keys" not in self.broken:
            self._answer(401, {"detail": "this needs an API key"})
            return
        path = self.path.split("?")[0]
        if path.endswith("/history"):
            self._answer(200, {"events": [] if "worker" in self.broken else self.taken})
        elif path == "/system/metrics":
            rows = 7 + (0 if "streams" in self.broken else len(self.taken))
            self._answer(200, {"as_of": "2018-09-24T14:27:30Z", "tables": {"silver.events": {"rows": rows}}})
        elif path.startswith("/recommendations"):
            status = 503 if "model" in self.broken else 200
            self._answer(status, {"items": [{}], "model_version": "1", "source": "popular"})
        else:
            self._answer(200, "ok")

    def do_POST(self) -> None:
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "kafka" in self.broken:
            self._answer(503, {"detail": "Kafka is away"})
            return
        self.taken.extend(events)
        self._answer(202, {"accepted": len(events), "event_ids": []})

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[str]:
    _Api.taken.clear()
    _Api.broken.clear()
    server = HTTPServer(("127.0.0.1", 0), _Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, api: str) -> ModuleType:
    program = carried("check_pipeline")
    monkeypatch.setattr(program, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setenv("SARAN_API_KEY", "right")
    monkeypatch.setattr(sys, "argv", ["check_pipeline.py", api, api, ""])
    return program


def test_an_event_that_comes_through_passes(check: ModuleType) -> None:
    check.main()
    (event,) = _Api.taken
    assert event["source"] == "helm-test"
    assert event["event_time"] == "2018-09-24T14:27:30Z"  # analytics stay as of the data's newest event


def test_it_passes_before_the_first_training(check: ModuleType) -> None:
    _Api.broken.add("model")
    check.main()


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("keys", "answers 200 to a wrong key"),
        ("kafka", "did not take an event"),
        ("worker", "user's history"),
        ("streams", "silver has one event more"),
    ],
)
def test_it_says_what_does_not_work(check: ModuleType, part: str, reason: str) -> None:
    _Api.broken.add(part)
    with pytest.raises(SystemExit, match=reason):
        check.main()


def test_a_database_that_answers_is_reported(check: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as database:
        assert not check.closed("127.0.0.1", database.getsockname()[1])
    assert check.closed("127.0.0.1", 1)
    monkeypatch.setattr(check, "closed", lambda *_: False)
    monkeypatch.setattr(sys, "argv", [*sys.argv[:3], "database"])
    with pytest.raises(SystemExit, match="NetworkPolicies"):
        check.main()
