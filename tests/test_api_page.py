"""What docs/api.md tells to type is typed against a platform with the bundled data, and answers what the page says.

`saran check` looks at the same platform, so that no second one is started for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import pytest

from saran.core.names import Table
from tests.pages import API, PRINTED_URL, python_examples, shell_commands
from tests.platform import PATIENCE, Platform

pytestmark = [pytest.mark.platform, pytest.mark.spark, pytest.mark.timeout(900)]

Promise = Callable[[Any], None]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page types curl, and there is none: install it")
def test_the_page_of_the_api(live_platform: Platform) -> None:
    commands = shell_commands(API)
    assert sorted(commands) == sorted(PROMISES), "each command of the page has one promise"
    for command in commands:
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace(PRINTED_URL, live_platform.settings.api_url)],
            env={**live_platform.environment, "no_proxy": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        PROMISES[command](json.loads(done.stdout))


def test_the_example_in_python(live_platform: Platform) -> None:
    (example,) = python_examples(API)
    done = subprocess.run(
        [sys.executable, "-c", example.replace(PRINTED_URL, live_platform.settings.api_url)],
        env=live_platform.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("personal 5\n", "")


def test_check_is_green_and_red_while_the_api_is_held(live_platform: Platform) -> None:
    live_platform.saran("wait")
    found = green(live_platform)
    lines = {(one["section"], one["name"]): one for one in found}
    silver = lines["tables", Table.SILVER_EVENTS]["detail"]
    assert silver.startswith(f"{live_platform.count(Table.SILVER_EVENTS):,} rows, version ")
    assert f"{live_platform.records():,} records" in lines["topics", "events"]["detail"]
    assert lines["api", "/recommendations/user/{user_id}"]["detail"].endswith(", personal")
    assert {name for section, name in lines if section == "api"} <= get_routes(live_platform)
    assert [one["looked_at"] for one in found if one["section"] == "pages"] == [False], "the dashboard was not started"

    with live_platform.held("api"):
        code, found = check(live_platform)
    red = {(one["section"], one["name"]): one for one in found if not one["well"]}
    assert code == 1
    assert red["services", "api"]["fix"] == "see `saran logs api`"
    assert "does not answer in time" in red["api", "/live"]["detail"]
    assert red["api", "/live"]["fix"] == "see `saran status` and the log of the API"


def green(platform: Platform) -> list[dict[str, Any]]:
    """The findings once all are well: a machine under load answers a probe late now and then."""
    deadline = time.monotonic() + PATIENCE
    while True:
        code, found = check(platform)
        red = [one for one in found if not one["well"]]
        assert code == (1 if red else 0)
        if not red:
            return found
        assert time.monotonic() < deadline, red


def check(platform: Platform) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and findings of `saran check --json`."""
    done = subprocess.run(
        [sys.executable, "-m", "saran.cli", "check", "--json"],
        env=platform.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)["findings"]


def get_routes(platform: Platform) -> set[str]:
    """Paths of the API's own description that can be asked by GET."""
    answer = httpx.get(f"{platform.settings.api_url}/openapi.json", timeout=30.0, trust_env=False)
    return {path for path, methods in answer.json()["paths"].items() if "get" in methods}


def ids(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def five_for_user_1(answer: Any) -> None:
    assert (answer["user_id"], answer["source"], answer["degraded"], answer["note"]) == ("1", "personal", False, None)
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]


def five_dramas_or_war_films(answer: Any) -> None:
    five_for_user_1(answer)
    assert all({"Drama", "War"} & set(item["categories"]) for item in answer["items"])
    assert "318" not in ids(answer)


def five_with_reasons(answer: Any) -> None:
    five_for_user_1(answer)
    for item in answer["items"]:
        shares = [cause["share"] for cause in item["because"]]
        assert len(shares) == 3
        assert shares == sorted(shares, reverse=True)
        assert all(cause["title"] for cause in item["because"])


def lists_side_by_side(answer: Any) -> None:
    names = [one["strategy"] for one in answer["lists"]]
    assert names == ["als", "popular", "trending"]
    served = answer["lists"][0]
    assert (served["served"], served["source"], len(served["items"])) == (True, "personal", 3)
    assert all(item["because"] for item in served["items"])


def two_lists_of_dramas(answer: Any) -> None:
    als, trending = answer["lists"]
    assert (als["strategy"], trending["strategy"], len(als["items"])) == ("als", "trending", 10)
    assert all("Drama" in item["categories"] for item in [*als["items"], *trending["items"]])


def drama_first(answer: Any) -> None:
    sizes = [one["items"] for one in answer["categories"]]
    assert answer["categories"][0]["name"] == "Drama"
    assert sizes == sorted(sizes, reverse=True)


def five_of_the_session(answer: Any) -> None:
    assert (answer["source"], answer["history_events"], len(answer["items"])) == ("personal", 2, 5)
    assert not {"318", "296"} & set(ids(answer))
    assert all({cause["item_id"] for cause in item["because"]} <= {"318", "296"} for item in answer["items"])


def comedies_of_two(answer: Any) -> None:
    assert [(one["user_id"], len(one["items"])) for one in answer["lists"]] == [("1", 3), ("414", 3)]
    assert all("Comedy" in item["categories"] for one in answer["lists"] for item in one["items"])


def three_ranked(answer: Any) -> None:
    assert sorted(ids(answer)) == ["1", "296", "318"]
    assert answer["unknown"] == ["no-such-film"]
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)


def five_like_toy_story(answer: Any) -> None:
    assert (answer["item_id"], len(answer["items"])) == ("1", 5)


def three_bare(answer: Any) -> None:
    assert [item["rank"] for item in answer] == [1, 2, 3]


def none_has_an_age(answer: Any) -> None:
    assert (answer["items"], answer["provenance"]) == ([], None)
    assert answer["note"].startswith("no item of this model has an age rating")


def accepted(answer: Any) -> None:
    assert answer["accepted"] == 1


def toy_story(answer: Any) -> None:
    assert answer["title"] == "Toy Story"


def godfathers(answer: Any) -> None:
    assert all("godfather" in item["title"].lower() for item in answer["items"])
    assert len(answer["items"]) == 3


def three_events(answer: Any) -> None:
    assert len(answer["events"]) == 3


def a_champion_of_lists(answer: Any) -> None:
    (lists,) = [model for model in answer["models"] if model["name"] == "recommender"]
    assert lists["champion"] in [version["version"] for version in lists["versions"]]
    assert lists["moves"][-1]["version"] == lists["champion"]


def its_card(answer: Any) -> None:
    assert (answer["name"], answer["alias"]) == ("recommender", "champion")
    assert all(0 <= figure["value"] <= 1 for figure in answer["figures"].values())


def serves(answer: Any) -> None:
    assert "recommender" in answer["models_loaded"]


def names_the_price(answer: Any) -> None:
    assert answer["status"] == 422
    assert [(one["in"], one["field"]) for one in answer["errors"]] == [("query", "max_price")]


def _get(path: str) -> str:
    return f"curl '{PRINTED_URL}{path}'"


def _post(path: str, body: str) -> str:
    return f"{_get(path)} -H 'content-type: application/json' -d '{body}'"


PROMISES: Final[Mapping[str, Promise]] = {
    _get("/recommendations/user/1?limit=5"): five_for_user_1,
    _get("/recommendations/user/1?limit=5&category=Drama&category=War&exclude=318"): five_dramas_or_war_films,
    _get("/recommendations/user/1?limit=5&diversity=0.5&explain=true"): five_with_reasons,
    _get("/recommendations/strategies/1?limit=3&explain=true"): lists_side_by_side,
    _get("/recommendations/strategies/1?strategy=als&strategy=trending&category=Drama"): two_lists_of_dramas,
    _get("/categories"): drama_first,
    _post(
        "/recommendations/session",
        '{"items": ["318", {"item_id": "296", "action": "rate", "value": 5}], "limit": 5, "explain": true}',
    ): five_of_the_session,
    _post("/recommendations/batch", '{"user_ids": ["1", "414"], "limit": 3, "category": ["Comedy"]}'): comedies_of_two,
    _post("/rank", '{"user_id": "1", "candidates": ["1", "318", "296", "no-such-film"]}'): three_ranked,
    _get("/recommendations/similar/1?limit=5"): five_like_toy_story,
    _get("/recommendations/1?num_recommendations=3"): three_bare,
    _get("/recommendations/by-age/13?limit=5"): none_has_an_age,
    f"curl -X POST '{PRINTED_URL}/stream/events' -H 'content-type: application/json' "
    """-d '[{"user_id": "api-reader", "action": "click", "item_id": "318"}]'""": accepted,
    _get("/models"): a_champion_of_lists,
    _get("/models/recommender/champion"): its_card,
    _get("/items/1"): toy_story,
    _get("/search?q=godfather&limit=3"): godfathers,
    _get("/users/1/history?limit=3"): three_events,
    _get("/health"): serves,
    _get("/recommendations/user/1?max_price=cheap"): names_the_price,
}
