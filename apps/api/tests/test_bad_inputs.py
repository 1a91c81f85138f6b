"""What is no request gets a clean answer: a problem document that says what is wrong, whoever asks it how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saran.core.api_shapes import ProblemDetails

_HUGE = 10**400
_EVENT = {"user_id": "u", "action": "view", "item_id": "i"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("GET", "/recommendations/user/u?limit=ten", None, 422, id="no number"),
        pytest.param("GET", f"/recommendations/user/u?limit={_HUGE}", None, 422, id="a huge number"),
        pytest.param("GET", "/recommendations/user/u?limit=-1", None, 422, id="a negative number"),
        pytest.param("GET", "/recommendations/user/u?max_price=nan", None, 422, id="NaN"),
        pytest.param("GET", "/recommendations/user/u?min_price=1e999", None, 422, id="infinity"),
        pytest.param("GET", "/recommendations/user/a%00b", None, 422, id="a control character"),
        pytest.param("GET", f"/recommendations/user/{'x' * 257}", None, 422, id="a long id"),
        pytest.param("GET", f"/recommendations/user/u?{'exclude=i&' * 201}", None, 422, id="a long list"),
        pytest.param("GET", f"/search?q={'x' * 201}", None, 422, id="a long text"),
        pytest.param("GET", "/media/../../../etc/passwd", None, 404, id="a path"),
        pytest.param("GET", "/nowhere", None, 404, id="no such path"),
        pytest.param("PATCH", "/items", None, 405, id="no such method"),
        pytest.param("POST", "/stream/events", [], 422, id="no events"),
        pytest.param("POST", "/stream/events", [_EVENT] * 1001, 422, id="too many events"),
        pytest.param("POST", "/stream/events", {"events": [_EVENT]}, 422, id="no list"),
        pytest.param("POST", "/stream/events", [{**_EVENT, "source": "x" * 5_000_000}], 413, id="a large body"),
        pytest.param("POST", "/recommendations/session", {"items": ["i"] * 501}, 422, id="a long session"),
        pytest.param("POST", "/recommendations/batch", {"user_ids": []}, 422, id="no users"),
        pytest.param("POST", "/rank", {"candidates": ["i"]}, 422, id="for nobody"),
        pytest.param("POST", "/items", [{"title": "no id"}], 422, id="an item without an id"),
        pytest.param("PUT", "/items/i", {"price": -1}, 422, id="a negative price"),
        pytest.param("PUT", "/items/a%01b", {}, 422, id="an id with a control character"),
        pytest.param("PUT", "/users/u", {"birth_year": 1}, 422, id="a birth of long ago"),
        pytest.param("PUT", "/users/u", {"attributes": {str(n): "" for n in range(33)}}, 422, id="many attributes"),
        pytest.param("PUT", "/users/u", {"attributes": {"k": "a\0b"}}, 422, id="an attribute that no database takes"),
        pytest.param("PUT", "/users/u", {"attributes": {"a\0b": "v"}}, 422, id="a name that no database takes"),
        pytest.param("POST", "/predict-transaction", {"num_views": "many"}, 422, id="no figures"),
    ],
)
def test_what_is_no_request_gets_a_problem(
    offline: Callable[..., tuple[int, Any]], method: str, path: str, body: Any, status: int
) -> None:
    told = offline(method, path, body)
    assert told[0] == status, told[1]
    problem = ProblemDetails.model_validate(told[1])
    assert problem.status == status
    assert problem.detail
    assert "Traceback" not in problem.detail
    assert bool(problem.errors) == (status == 422)
