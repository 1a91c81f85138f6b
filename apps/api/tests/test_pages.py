"""Pages of a list: no item twice, none left out, and tokens of something else refused; ids of lists."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from saran.api.recommendation_ids import IdMaker

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def ids(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_pages_are_the_list_in_parts(api: Any, shop: Any, worker: Any, until: Callable[..., None]) -> None:
    shop.publish("v1")
    worker.start()
    api.start(SARAN_SERVING__MODEL_POLL_SECONDS="0.1")
    api.post([{"user_id": "u", "action": "click", "item_id": "i3"}])
    until(lambda: api.get("/recommendations/user/u")["source"] == "personal")

    def pages(path: str, limits: list[int]) -> list[Any]:
        found: list[Any] = []
        for limit in limits:
            page = f"&page={found[-1]['next_page']}" if found else ""
            found.append(api.get(f"{path}limit={limit}{page}"))
        return found

    personal = pages("/recommendations/user/u?", [10, 25, 500])
    every = [item for one in personal for item in ids(one)]
    assert every == [item for item, _ in shop.expected("v1", {3: 1.0}, 299)]
    assert [item["rank"] for one in personal for item in one["items"]] == list(range(1, 300))
    assert personal[-1]["next_page"] is None
    assert len({one["recommendation_id"] for one in personal}) == 3

    popular = pages("/recommendations/user/nobody?category=B&", [10, 10, 10])
    assert [item for one in popular for item in ids(one)] == [f"i{n}" for n in range(7, 67, 2)]
    scores = [item["score"] for one in popular for item in one["items"]]
    assert scores == pytest.approx([1 / rank for rank in range(1, 31)], rel=1e-4)

    # An event between two pages changes what follows, and repeats nothing.
    (first,) = pages("/recommendations/user/u?", [10])
    api.post([{"user_id": "u", "action": "purchase", "item_id": "i40"}])
    until(lambda: api.get("/recommendations/user/u")["history_events"] == 2)
    second = api.get(f"/recommendations/user/u?limit=10&page={first['next_page']}")
    expected = [item for item, _ in shop.expected("v1", {3: 1.0, 40: 5.0}, 299) if item not in ids(first)]
    assert ids(second) == expected[:10]

    token = second["next_page"]
    for path, status in {
        f"u?limit=3&page={token}": 200,
        f"other?page={token}": 422,
        f"u?seen=allow&page={token}": 422,
        f"u?page={token[:-4]}": 422,
        f"u?page={token[1:]}": 422,
        f"u?page=AAAAAAAA{token[8:]}": 410,
        "u?page=": 422,
        "u?page=abc": 422,
        "u?page=%C3%A9": 422,
        f"u?page={'A' * 5000}": 422,
        f"u?page={'A' * 32}": 410,
    }.items():
        api.get(f"/recommendations/user/{path}", status=status)
    (of_many,) = api.ask("/recommendations/batch", {"user_ids": ["u"], "limit": 3})["lists"]
    assert len(ids(api.get(f"/recommendations/user/u?page={of_many['next_page']}"))) == 10
    shop.publish("v2")
    until(lambda: api.get("/health")["model_versions"] == {"recommender": "v2"})
    assert "begin anew" in api.get(f"/recommendations/user/u?page={token}", status=410)["detail"]


def test_each_answer_has_an_id_that_sorts(api: Any, shop: Any) -> None:
    shop.publish("v1")
    api.start()
    answers = [
        api.get("/recommendations/user/u"),
        api.get("/recommendations/similar/i3"),
        api.get("/recommendations/by-age/13"),
        api.ask("/recommendations/session", {"items": ["i3"]}),
        api.ask("/rank", {"user_id": "u", "candidates": ["i3"]}),
        *api.ask("/recommendations/batch", {"user_ids": ["u", "v"]})["lists"],
    ]
    made = [answer["recommendation_id"] for answer in answers]
    assert sorted(set(made)) == made
    assert {uuid.UUID(one).version for one in made} == {7}


def test_ids_are_distinct_and_sort_within_a_millisecond_and_when_the_clock_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 1_700_000_000_000_000_000
    monkeypatch.setattr("time.time_ns", lambda: clock)
    maker = IdMaker()
    made = [maker.next().decode() for _ in range(10_000)]
    clock -= 10**12
    made += [maker.next().decode() for _ in range(10)]
    clock += 2 * 10**12
    made += [maker.next().decode(), IdMaker().next().decode()]
    assert len(set(made)) == len(made)
    assert sorted(made[:-1]) == made[:-1]
    assert {(one.version, one.variant) for one in map(uuid.UUID, made)} == {(7, uuid.RFC_4122)}
    assert uuid.UUID(made[-1]).int >> 80 == clock // 1_000_000
