"""An experiment from its definition to its figures, with the real worker, broker and database."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer

from saran.api.keys import needed_scope
from saran.core.experiment_shapes import ExperimentDefinition
from saran.core.experiments import variant_of
from saran.core.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

DEFINITION: dict[str, Any] = {
    "description": "Does the model beat popularity?",
    "variants": [{"name": "model"}, {"name": "popular", "strategy": "popular"}, {"name": "diverse", "diversity": 1.0}],
}


def user_of(variant: str) -> str:
    """A user whom the experiment `e1` gives the variant."""
    definition = ExperimentDefinition.model_validate(DEFINITION)
    users = (f"user {number}" for number in range(1000))
    return next(user for user in users if (got := variant_of("e1", definition, user)) and got.name == variant)


def put(api: Any, name: str, status: int = 200, **changed: Any) -> Any:
    answer = api.http.put(f"/experiments/{name}", json={**DEFINITION, **changed})
    assert answer.status_code == status, answer.text
    return answer.json()


def ids(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def figures(api: Any) -> dict[str, tuple[int, float | None, float | None]]:
    (experiment,) = api.get("/experiments")["experiments"]
    return {
        one["name"]: (one["users"], one["click_through"]["value"], one["conversion"]["value"])
        for one in experiment["figures"]
    }


def impressions(settings: Settings, count: int, until: Callable[..., None]) -> list[dict[str, Any]]:
    reader = Consumer(
        {"bootstrap.servers": settings.bootstrap, "group.id": "test-exposures", "auto.offset.reset": "earliest"}
    )
    reader.subscribe([settings.events_topic])
    found: list[dict[str, Any]] = []

    def enough() -> bool:
        records = [json.loads(one.value() or b"") for one in reader.consume(100, timeout=1) if one.error() is None]
        found.extend(one for one in records if one["action"] == "impression")
        return len(found) >= count

    until(enough)
    reader.close()
    return found


def test_from_lists_to_figures(
    api: Any, shop: Any, settings: Settings, worker: Any, until: Callable[..., None]
) -> None:
    shop.publish("v1")
    worker.start()
    api.start()
    model, popular, diverse = map(user_of, ("model", "popular", "diverse"))
    api.post([{"user_id": user, "action": "click", "item_id": "i8"} for user in (model, popular, diverse)])
    plain = {user: f"/recommendations/user/{user}?limit=5" for user in (model, popular, diverse)}
    for path in plain.values():
        until(lambda path=path: api.get(path)["source"] == "personal")
    best = [item for item, _ in shop.expected("v1", {8: 1.0}, 5)]
    by_diversity = ids(api.get(f"{plain[diverse]}&diversity=1"))
    assert by_diversity != best

    put(api, "e1")
    first = api.get(f"{plain[model]}&context=home")
    assert first["experiment"] == {"name": "e1", "variant": "model"}
    assert ids(first) == best
    second = api.get(plain[popular])
    assert (second["experiment"]["variant"], second["source"]) == ("popular", "popular")
    assert ids(second) == ["i7", "i9", "i10", "i11", "i12"]  # without i8, which the user knows
    assert ids(api.get(f"{plain[popular]}&page={second['next_page']}")) == ["i13", "i14", "i15", "i16", "i17"]
    assert ids(api.get(plain[diverse])) == by_diversity
    # Who says what a variant would change is not part of it.
    assert api.get(f"{plain[diverse]}&diversity=0")["experiment"] is None
    assert api.get(f"{plain[model]}&category=nothing")["items"] == []

    logged = impressions(settings, 20, until)
    assert len(logged) == 20
    mine = sorted((one for one in logged if one["user_id"] == model), key=lambda one: one["event_id"])
    assert [one["item_id"] for one in mine] == best
    assert mine[0]["context"] == {
        "experiment": "e1",
        "variant": "model",
        "recommendation_id": first["recommendation_id"],
        "rank": "1",
        "place": "home",
    }
    ranks = [int(one["context"]["rank"]) for one in logged if one["user_id"] == popular]
    assert sorted(ranks) == list(range(1, 11))
    until(lambda: figures(api) == {"model": (1, 0, 0), "popular": (1, 0, 0), "diverse": (1, 0, 0)})
    # What was shown is no act: the history and the list are as before.
    assert ids(api.get(plain[model])) == best
    assert api.get(plain[model])["history_events"] == 1

    api.post([{"user_id": model, "action": "view", "item_id": best[1]}])
    api.post([{"user_id": popular, "action": "purchase", "item_id": "i200"}])
    early = {"event_time": "2020-01-01T00:00:00Z", "user_id": diverse, "item_id": by_diversity[0]}
    api.post([{**early, "action": "purchase"}])
    until(lambda: figures(api) == {"model": (1, 1, 0), "popular": (1, 0, 1), "diverse": (1, 0, 0)})
    (told,) = api.get("/experiments")["experiments"]
    assert told["sample_ratio"] == {"chi_square": 0.0, "p_value": 1.0, "mismatch": False}
    assert told["figures"][0]["expected_users"] == pytest.approx(1)
    assert told["figures"][0]["click_through"]["low"] == pytest.approx(0.2065, abs=1e-4)  # Wilson's of 1 of 1

    assert api.http.delete(f"/users/{model}").status_code == 202
    until(lambda: figures(api)["model"] == (0, None, None))
    assert 'saran_api_exposures_total{outcome="lost"} 0.0' in api.http.get("/metrics").text


def test_one_experiment_runs_and_its_variants_stay(api: Any, shop: Any) -> None:
    shop.publish("v1")
    api.start()
    assert api.get("/experiments") == {"experiments": []}
    stored = put(api, "e1")
    assert (stored["name"], stored["running"], stored["share"]) == ("e1", True, 1.0)
    put(api, "e1", 409, variants=DEFINITION["variants"][:2])
    assert "e1 runs" in put(api, "e2", 409)["detail"]
    put(api, "E 2", 422)
    put(api, "e3", 422, description="\0")
    put(api, "e2", running=False)
    assert [one["name"] for one in api.get("/experiments")["experiments"]] == ["e2", "e1"]
    path = f"/recommendations/user/{user_of('model')}"
    assert api.get(path)["experiment"] == {"name": "e1", "variant": "model"}
    assert put(api, "e1", running=False)["created_at"] == stored["created_at"]
    assert api.get(path)["experiment"] is None
    assert needed_scope("PUT", "/experiments/e1") == "admin"


def test_lists_do_not_wait_for_kafka(api: Any, shop: Any, until: Callable[..., None]) -> None:
    shop.publish("v1")
    api.start(SARAN_KAFKA__BOOTSTRAP="127.0.0.1:1", SARAN_KAFKA__TIMEOUT_MS="500")
    put(api, "e1")
    for _ in range(3):
        answer = api.get(f"/recommendations/user/{user_of('model')}?limit=5")
        assert (answer["experiment"]["variant"], len(answer["items"])) == ("model", 5)
    until(lambda: 'saran_api_exposures_total{outcome="lost"} 15.0' in api.http.get("/metrics").text)


def test_many_users_of_one_variant_are_a_mismatch(
    api: Any, shop: Any, settings: Settings, worker: Any, until: Callable[..., None]
) -> None:
    worker.start()
    api.start()
    put(api, "e1")
    context = {"experiment": "e1", "variant": "popular"}
    one = {"action": "impression", "item_id": "i1", "source": "saran.exposures", "context": context}
    # What is no name is no experiment: PostgreSQL could not even store the first.
    for name in ("e1\0", "E1", "", "x" * 65, "e1\n"):
        api.post([{**one, "user_id": "v", "context": {"experiment": name, "variant": "popular"}}])
        api.post([{**one, "user_id": "v", "context": {"experiment": "e1", "variant": name}}])
    api.post([{**one, "user_id": "v", "context": {}}])
    api.post([{**one, "user_id": f"u{number}"} for number in range(30)])
    until(lambda: figures(api)["popular"][0] == 30)
    (told,) = api.get("/experiments")["experiments"]
    assert told["sample_ratio"]["chi_square"] == pytest.approx(60)
    assert told["sample_ratio"]["mismatch"]
    assert "trust no figure" in told["warnings"][0]
    assert api.get("/users/u1/history")["events"] == []
