"""Schemathesis asks every operation of the OpenAPI document what it promises, with real parts behind the API.

On a broker of the test's own: what is sent reaches topics that other tests read.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apps.api.tests.conftest import Api, PartProcess, Shop
from apps.api.tests.visitor_versions import publish_predictor, publish_segmentation, write_user_segments
from apps.spark.tests.test_trends import EVENTS, ITEMS, add, catalogue
from pydantic import SecretStr
from tests.servers import free_offset, kafka_server

from saran.core.settings import Settings
from saran.spark.trends.tables import TrendsStream

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

LEFT_OUT = "^/stream/(recommendations|analytics)"
"""Answers that are streams have no end to wait for."""

CHECKS = "positive_data_acceptance"
"""Left out: JSON Schema cannot say that min_price is no more than max_price, that /rank takes a user or a session, or
that an id holds no control character."""

CONFIGURATION = """
[checks.negative_data_rejection]
expected-statuses = [207, 400, 404, 405, 413, 422]
"""
"""207 refuses the wrong elements of a list by themselves."""

HOOKS = """
import schemathesis

@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")
"""

EXAMPLES = 12
"""Of each operation, beside those of the document and those at the bounds: about a minute in all."""


@pytest.fixture
def whole(postgres_url: str, tmp_path: Path) -> Iterator[Api]:
    """An API with a broker, a database, a worker, all models and figures of two days."""
    settings = Settings(home=tmp_path, port_offset=free_offset(), database_url=SecretStr(postgres_url))
    broker = kafka_server(settings)
    broker.start()
    Shop(settings.models_path).publish("1")
    publish_predictor(settings.models_path, "1")
    publish_segmentation(settings.models_path, "1")
    write_user_segments(settings, "1", [(2, "window shopper", [1, 1, 0, 0, 1, 0, 0])])
    catalogue(settings, ITEMS)
    add(settings, [event for events in EVENTS for event in events])
    TrendsStream(settings)()
    worker = PartProcess(settings, "saran.api.worker", tmp_path / "worker.log")
    api = Api(PartProcess(settings, "saran.api", tmp_path / "api.log"), settings.api_url)
    try:
        worker.start()
        api.start()
        yield api
        assert worker.running, worker.log.read_text()[-5000:]
    finally:
        api.http.close()
        for one in (api.process, worker):
            if one.running:
                one.end()
        broker.kill9()


def test_the_api_keeps_what_its_document_promises(whole: Any, tmp_path: Path) -> None:
    whole.post([{"user_id": "414", "action": "view", "item_id": "i1"}])
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    (tmp_path / "hooks.py").write_text(HOOKS)
    asked = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{whole.http.base_url}/openapi.json"),
            *(
                "--seed",
                "1",
                "--max-examples",
                str(EXAMPLES),
                "--workers",
                "1",
                "--phases",
                "examples,coverage,fuzzing",
            ),
            *(
                "--checks",
                "all",
                "--exclude-checks",
                CHECKS,
                "--exclude-path-regex",
                LEFT_OUT,
                "--continue-on-failure",
                "--no-shrink",
            ),
            *("--generation-deterministic", "--suppress-health-check", "all"),
            *("--request-timeout", "30", "--warnings", "off", "--no-color"),
        ],
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    (tmp_path / "asked.txt").write_text(asked.stdout)
    assert asked.returncode == 0, asked.stdout[-20_000:] + asked.stderr[-2000:]
    assert "No issues found" in asked.stdout
    log = whole.process.log.read_text()
    assert "failed" not in log, log[-5000:]
