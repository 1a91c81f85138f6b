"""Orders to promote and roll back, by command and by the API, while the API answers all the while."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import httpx
import pytest

from saran.client import ApiError, Client
from saran.core.api_keys import key_line
from saran.core.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

CALLERS = 3
ORDERS = "/system/models/recommender"
BOSS = {"authorization": "Bearer a"}
PATHS = ("/recommendations/user/u?limit=5", "/recommendations/similar/i3?limit=5")


def models(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`saran models …`, with an MLflow that is away."""
    return subprocess.run(
        [sys.executable, "-m", "saran.cli", "models", *arguments, "--json"],
        env={
            **os.environ,
            "SARAN_HOME": str(settings.home),
            "SARAN_MLFLOW__URL": f"http://127.0.0.1:{settings.port('dashboard')}",
            "no_proxy": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def asking(settings: Settings) -> Iterator[list[list[tuple[int, str]]]]:
    """A few callers who ask one request after the other; status and version of each answer, a list a caller."""
    stop = threading.Event()
    answers: list[list[tuple[int, str]]] = [[] for _ in range(CALLERS)]

    def ask(mine: list[tuple[int, str]]) -> None:
        with httpx.Client(base_url=settings.api_url, timeout=20, headers=BOSS, trust_env=False) as client:
            while not stop.is_set():
                answer = client.get(PATHS[len(mine) % len(PATHS)])
                mine.append((answer.status_code, answer.json().get("model_version", "")))
                time.sleep(0.01)

    threads = [threading.Thread(target=ask, args=(mine,)) for mine in answers]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)


def test_a_rollback_is_served_and_no_request_fails(
    api: Any, shop: Any, settings: Settings, until: Callable[..., None]
) -> None:
    def serves(version: str) -> bool:
        return bool(api.get("/health")["model_versions"] == {"recommender": version})

    shop.publish("v1")
    shop.write("v2")
    keys = settings.home / "keys"
    keys.write_text(key_line("shop", "s", "read,events") + "\n" + key_line("anna", "a", "admin"))
    api.http.headers.update(BOSS)
    api.start(SARAN_SERVING__MODEL_POLL_SECONDS="0.1", SARAN_API_KEYS=str(keys))
    until(lambda: serves("v1"))
    with asking(settings) as answers:
        done = models(settings, "promote", "v2")
        assert done.returncode == 0, done.stderr
        until(lambda: serves("v2"))
        until(lambda: all(mine and mine[-1][1] == "v2" for mine in answers))
        done = models(settings, "rollback")
        assert done.returncode == 0, done.stderr
        until(lambda: serves("v1"))
        until(lambda: all(mine[-1][1] == "v1" for mine in answers))
        with (
            Client(settings.api_url, key="s") as other,
            pytest.raises(ApiError, match="does not have the scope `admin`"),
        ):
            other.promote("recommender", "v2")
        with Client(settings.api_url, key="a") as anna:
            anna.promote("recommender", "v2")
            until(lambda: all(mine[-1][1] == "v2" for mine in answers))
            anna.roll_back("recommender")
            until(lambda: all(mine[-1][1] == "v1" for mine in answers))
            moved = [(move.version, move.why) for move in anna.models()[0].moves]
    for mine in answers:
        assert {status for status, _ in mine} == {200}
        changes = [after for (_, before), (_, after) in pairwise(mine) if before != after]
        assert [mine[0][1], *changes] == ["v1", "v2", "v1", "v2", "v1"]
    told = json.loads(done.stdout)
    asked_by = "asked of the API by anna"
    assert moved[-4:] == [("v2", "by hand"), ("v1", "by hand"), ("v2", asked_by), ("v1", asked_by)]
    assert (told["champion"], told["before"]) == ("v1", "v2")
    assert "does not answer" in told["warnings"][0], "the registry follows later; serving does not wait for it"


def test_a_broken_version_is_not_promoted_and_not_rolled_back_to(
    api: Any, shop: Any, settings: Settings, until: Callable[..., None]
) -> None:
    shop.publish("v1")
    api.start(SARAN_SERVING__MODEL_POLL_SECONDS="0.1")
    broken = shop.write("v2") / "popularity.npy"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-1] + b"\x7f")
    refused = models(settings, "promote", "v2")
    assert refused.returncode == 1
    assert "differs from its checksum" in refused.stderr
    told = api.ask(f"{ORDERS}/promote", {"version": "v2"}, 409)
    assert "differs from its checksum" in told["detail"]
    half = shop.write("v3")
    (half / "manifest.json").unlink()
    refused = models(settings, "promote", "v3")
    assert refused.returncode == 1
    assert "there is no version v3" in refused.stderr

    broken.write_bytes(whole)
    assert models(settings, "promote", "v2").returncode == 0
    until(lambda: api.get("/health")["model_versions"] == {"recommender": "v2"})
    (settings.models_path / "recommender" / "v1" / "items.parquet").unlink()
    refused = models(settings, "rollback")
    assert refused.returncode == 1
    assert "items.parquet" in refused.stderr
    assert "items.parquet" in api.ask(f"{ORDERS}/rollback", {}, 409)["detail"]
    health = api.get("/health")
    assert (health["status"], health["model_versions"]) == ("ok", {"recommender": "v2"})
    assert api.get(PATHS[0])["model_version"] == "v2"
