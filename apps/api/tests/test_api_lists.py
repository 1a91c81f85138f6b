"""Lists as they are asked for: conditions, reasons, sessions, candidates, several users at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter

from saran.core.api_shapes import Categories, ListsOfUsers, RankedCandidates, Recommendations, SessionRecommendations
from saran.core.strategy_shapes import Strategies

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

SESSION = ["i3", {"item_id": "i40", "action": "add_to_cart"}, {"item_id": "i3", "action": "click"}]
TASTE = {3: 2.0, 40: 3.0}


def ids(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def names(expected: list[tuple[str, float]]) -> list[str]:
    return [name for name, _ in expected]


def strictly(shape: Any, answer: Any) -> Any:
    """An answer holds every member of its shape and no other."""
    assert TypeAdapter(shape).validate_python(answer).model_dump(mode="json") == answer
    return answer


@pytest.fixture
def served(api: Any, shop: Any) -> Any:
    """An API that serves a model."""
    shop.publish("v1")
    api.start()
    return api


def test_conditions_leave_exactly_the_best_of_what_they_allow(
    served: Any, shop: Any, worker: Any, until: Callable[..., None]
) -> None:
    one = {"event_time": "2020-01-01T00:00:00Z", "user_id": "u", "source": "test"}
    events = [("i3", "view"), ("i3", "click"), ("i41", "purchase")]
    records = [json.dumps({**one, "event_id": str(n), "item_id": i, "action": a}) for n, (i, a) in enumerate(events)]
    worker.start()
    worker.send([("u", record.encode()) for record in records])
    until(lambda: served.get("/recommendations/user/u")["history_events"] == 3)

    def of(query: str) -> Any:
        return strictly(Recommendations, served.get(f"/recommendations/user/u?{query}"))

    def best(condition: Callable[[int], bool], k: int = 10) -> list[str]:
        return names(shop.expected("v1", {3: 2.0, 41: 5.0}, k, allowed=[row for row in range(300) if condition(row)]))

    assert ids(of("category=B")) == best(lambda row: row % 2 == 1)
    assert ids(of("category=b&category=none&limit=3")) == best(lambda row: row % 2 == 1, 3)
    assert ids(of("min_price=20&max_price=22.5&limit=50")) == best(lambda row: 40 <= row <= 45, 50)
    assert ids(of("max_age=13&available=true")) == best(lambda row: row % 3 > 0 and row % 5 > 0)
    assert ids(of("max_age=12")) == []
    plain = ids(of("limit=10"))
    assert plain == best(lambda row: True)
    assert ids(of(f"exclude={plain[0]}&exclude={plain[2]}&limit=8")) == [plain[1], *plain[3:]]
    assert {"i3", "i41"} & set(ids(of("limit=300"))) == set()
    assert {"i3", "i41"} & set(ids(of("limit=300&seen=exclude-bought"))) == {"i3"}
    assert {"i3", "i41"} & set(ids(of("limit=300&seen=allow"))) == {"i3", "i41"}
    diverse = ids(of("limit=10&diversity=0.8"))
    assert diverse[0] == plain[0]
    assert diverse != plain

    explained = of("limit=2&explain=true")
    for item in explained["items"]:
        assert {cause["item_id"] for cause in item["because"]} <= {"i3", "i41"}
        assert item["because"][0]["title"] in {'Thing "3"', 'Thing "41"'}
        if len(item["because"]) == 2:  # both carried something, so nothing else did
            assert sum(cause["share"] for cause in item["because"]) == pytest.approx(item["score"], rel=1e-3)
    note = of("category=c")
    assert (ids(note), note["note"]) == ([], "no item of this model has the category 'c'")

    told = strictly(Strategies, served.get("/recommendations/strategies/u?limit=3&category=b&explain=true"))
    own = of("limit=3&category=b&explain=true")
    als, popular, trending = told["lists"]
    assert (als["strategy"], als["served"], als["source"], als["items"]) == ("als", True, "personal", own["items"])
    assert [(one["strategy"], one["served"]) for one in (popular, trending)] == [
        ("popular", False),
        ("trending", False),
    ]
    assert (popular["served"], ids(popular)) == (False, ["i7", "i9", "i11"])
    assert [(item["item_id"], item["rank"], item["reason"]) for item in popular["left_out"]] == [("i8", 2, "condition")]
    assert (trending["items"], trending["left_out"]) == ([], [])
    assert "no figures yet" in trending["note"]
    asked = served.get("/recommendations/strategies/u?strategy=popular&strategy=als&limit=1")
    assert [one["strategy"] for one in asked["lists"]] == ["popular", "als"]
    unknown = served.get("/recommendations/strategies/u?strategy=neighbours", status=404)
    assert unknown["detail"] == "model v1 has no neighbours: it has als, popular, trending"

    many = strictly(
        ListsOfUsers, served.ask("/recommendations/batch", {"user_ids": ["u", "new"], "category": ["b"], "limit": 4})
    )["lists"]
    assert [(one["user_id"], one["source"]) for one in many] == [("u", "personal"), ("new", "popular")]
    assert [ids(one) for one in many] == [best(lambda row: row % 2 == 1, 4), ["i7", "i9", "i11", "i13"]]
    ranked = served.ask("/rank", {"user_id": "u", "candidates": ["i9", "i3", "nowhere", "i250", "i9"]})
    strictly(RankedCandidates, ranked)
    assert ranked["unknown"] == ["nowhere"]
    assert sorted(ids(ranked)) == ["i250", "i3", "i9"]
    assert [one for one in ids(ranked) if one != "i3"] == best(lambda row: row in {9, 250})


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("min_price=x", "min_price"),
        ("min_price=", "min_price"),
        ("max_price=nan", "max_price"),
        ("min_price=2&max_price=1", "max_price"),
        ("max_age=-1", "max_age"),
        ("available=maybe", "available"),
        ("seen=never", "seen"),
        ("diversity=1.1", "diversity"),
        ("explain=2", "explain"),
        ("category=", "category.0"),
        ("category=a&limit=501", "limit"),
        ("&".join(["exclude=i1"] * 201), "exclude"),
        ("exclude=a%00", "exclude.0"),
    ],
)
def test_a_wrong_parameter_is_named(offline: Any, query: str, field: str) -> None:
    status, problem = offline("GET", f"/recommendations/user/u?{query}")
    assert status == 422
    assert (problem["errors"][0]["in"], problem["errors"][0]["field"]) == ("query", field)
    assert problem["detail"].startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/recommendations/session", {}, "items"),
        ("/recommendations/session", {"items": ["i1"], "categry": ["a"]}, "categry"),
        ("/recommendations/session", {"items": ["i1", {"item_id": "i2", "action": "sneeze"}]}, "items.1.action"),
        ("/recommendations/session", {"items": [None]}, "items.0"),
        ("/recommendations/session", {"items": ["i1"] * 501}, "items"),
        ("/recommendations/batch", {"user_ids": []}, "user_ids"),
        ("/recommendations/batch", {"user_ids": ["u"], "limit": 101}, "limit"),
        ("/rank", {"candidates": ["i1"]}, "body"),
        ("/rank", {"candidates": ["i1"], "user_id": "u", "items": []}, "body"),
        ("/rank", {"candidates": [], "user_id": "u"}, "candidates"),
    ],
)
def test_a_wrong_body_is_named(offline: Any, path: str, body: Any, field: str) -> None:
    status, problem = offline("POST", path, body)
    assert status == 422
    assert (problem["errors"][0]["in"], problem["errors"][0]["field"]) == ("body", field)


def test_a_session_gets_the_list_of_a_user_with_these_events(served: Any, shop: Any) -> None:
    answer = strictly(SessionRecommendations, served.ask("/recommendations/session", {"items": SESSION, "limit": 5}))
    expected = shop.expected("v1", TASTE, 5)
    assert (answer["source"], answer["history_events"], answer["note"]) == ("personal", 3, None)
    assert ids(answer) == names(expected)
    assert [item["score"] for item in answer["items"]] == pytest.approx([score for _, score in expected], rel=1e-4)
    odd = served.ask("/recommendations/session", {"items": SESSION, "limit": 5, "category": ["b"], "explain": True})
    assert ids(odd) == names(shop.expected("v1", TASTE, 5, allowed=range(1, 300, 2)))
    assert all(item["because"] for item in odd["items"])
    nobody = served.ask("/recommendations/session", {"items": ["nowhere", 12], "limit": 2})
    assert (nobody["source"], ids(nobody)) == ("popular", ["i7", "i8"])
    ranked = served.ask("/rank", {"items": SESSION, "candidates": ["i20", "i8", "i13"], "limit": 2})
    assert ids(ranked) == names(shop.expected("v1", TASTE, 2, allowed=[20, 8, 13]))


def test_the_categories(served: Any) -> None:
    told = strictly(Categories, served.get("/categories"))
    assert told == {"categories": [{"name": "a", "items": 300}, {"name": "b", "items": 150}]}
