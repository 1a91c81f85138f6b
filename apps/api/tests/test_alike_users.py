"""Users like a user: by arithmetic, by the histories of the moment, and never beyond what a key may see."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from saran.api import alike_users
from saran.api.alike_users import AlikeUsers
from saran.api.history_reader import HistoryReader
from saran.core.api_keys import key_line
from saran.core.database import migrate
from saran.core.entities import ACTION_CODES, Action
from saran.core.model_folder import load_model
from saran.core.recommender import Recommender
from saran.core.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

VIEWED = {"me": [0, 1, 2], "twin": [0, 1, 2], "half": [1, 40], "mine-1": [2, 60, 61], "far": [90], "odd": [7, 8, 9]}
"""Items that each user viewed, a second apart; `far` last of all."""

STARTS = dict(zip(VIEWED, range(0, 60_000, 10_000), strict=True)) | {"far": 100_000}


def fill(settings: Settings) -> None:
    """The histories of `VIEWED`."""
    migrate(settings.postgres_url)
    with psycopg.connect(settings.postgres_url, connect_timeout=5) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO online.user_history VALUES (%s, %s, %s, %s, %s, %s)",
            [
                (
                    user,
                    [f"i{item}" for item in items],
                    [ACTION_CODES[Action.VIEW]] * len(items),
                    [float("nan")] * len(items),
                    [STARTS[user] + 1000 * place for place in range(len(items))],
                    list(range(len(items))),
                )
                for user, items in VIEWED.items()
            ],
        )


def cosines(shop: Any, user: str) -> dict[str, float]:
    """Of the other users with `user`, each factor by the equation of the paper."""
    y = shop.factors("v1").astype(np.float64)

    def factor(items: list[int]) -> Any:
        matrix = y.T @ y + shop.alpha * y[items].T @ y[items] + shop.regularization * len(items) * np.eye(shop.rank)
        solved = np.linalg.solve(matrix, (1 + shop.alpha) * y[items].sum(axis=0))
        return solved / np.linalg.norm(solved)

    mine = factor(VIEWED[user])
    return {other: float(factor(items) @ mine) for other, items in VIEWED.items() if other != user}


def test_users_alike_are_told_with_what_they_share(api: Any, shop: Any, settings: Settings, tmp_path: Path) -> None:
    shop.publish("v1")
    fill(settings)
    keys = tmp_path / "keys"
    bound = key_line("bound", "b", "read", ["me", "mine-*"])
    keys.write_text(f"{key_line('all', 'a', 'read')}\n{bound}")
    api.start(SARAN_API_KEYS=str(keys))
    api.http.headers["authorization"] = "Bearer a"
    expected = sorted(((score, user) for user, score in cosines(shop, "me").items() if score > 0), reverse=True)
    assert 0 < len(expected) < len(VIEWED) - 1, "some are alike, and some the other way"

    told = api.get("/users/me/similar")
    assert [(one["user_id"], one["rank"]) for one in told["users"]] == [
        (user, rank) for rank, (_, user) in enumerate(expected, start=1)
    ]
    assert [one["score"] for one in told["users"]] == pytest.approx([score for score, _ in expected], abs=1e-5)
    assert (told["user_id"], told["model_version"], told["compared"]) == ("me", "v1", len(VIEWED) - 1)
    assert datetime.fromisoformat(told["as_of"]) == datetime.fromtimestamp(100, UTC)
    twin = told["users"][0]
    assert (twin["user_id"], {cause["item_id"] for cause in twin["because"]}) == ("twin", {"i0", "i1", "i2"})
    assert sum(cause["share"] for cause in twin["because"]) == pytest.approx(1, abs=1e-5)
    assert [cause["share"] for cause in twin["because"]] == sorted((c["share"] for c in twin["because"]), reverse=True)
    assert twin["because"][0]["title"].startswith("Thing")
    for one in told["users"]:
        shared = set(VIEWED["me"]).intersection(VIEWED[one["user_id"]])
        assert {cause["item_id"] for cause in one["because"]} <= {f"i{item}" for item in shared}
    assert len(api.get("/users/me/similar?limit=1")["users"]) == 1
    api.get("/users/nobody/similar", 404)

    with psycopg.connect(settings.postgres_url, connect_timeout=5) as connection:
        connection.execute("DELETE FROM online.user_history WHERE user_id = 'twin'")
    assert "twin" not in [one["user_id"] for one in api.get("/users/me/similar")["users"]]

    api.http.headers["authorization"] = "Bearer b"
    own = api.get("/users/me/similar")
    assert (own["compared"], datetime.fromisoformat(own["as_of"])) == (1, datetime.fromtimestamp(32, UTC))
    likes = cosines(shop, "me")["mine-1"] > 0
    assert [one["user_id"] for one in own["users"]] == ["mine-1"] * likes
    assert [one["user_id"] for one in api.get("/users/mine-1/similar")["users"]] == ["me"] * likes
    assert api.http.get("/users/far/similar").status_code == 403


def test_of_a_large_shop_a_bounded_sample_is_compared(
    shop: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(settings)
    monkeypatch.setattr(alike_users, "_AMONG", 4)
    monkeypatch.setattr(alike_users, "_PIECE", 3)
    recommender = Recommender(load_model(shop.write("v1")))

    async def ask() -> alike_users.Alike:
        histories = HistoryReader(lambda: settings.postgres_url, timeout_ms=5000)
        await histories.connect()
        try:
            mine = (await histories.read(["me"]))["me"].events
            users = AlikeUsers(lambda: settings.postgres_url, histories)
            return await users.most(recommender, "me", mine, 10, None)
        finally:
            await histories.close()

    answer = asyncio.run(ask())
    assert answer.compared == 3  # of the four that were drawn, one is the user
    assert 0 < len(answer.found) <= 3
