"""Predictions and segments: their values, versions that come while serving, and what is no question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apps.api.tests.visitor_versions import publish_predictor, publish_segmentation

from saran.api.routes.visitors import misfits
from saran.core.settings import Settings
from saran.core.visitor_shapes import Totals

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

PREDICT = {
    "visitorid_to_identify": "user_test_predict_01",
    "num_views": 15,
    "num_addtocart": 2,
    "distinct_items_interacted": 8,
}
SEGMENT = {
    "visitorid_to_identify": "user_test_segment_01",
    "total_events": 60,
    "total_views": 45,
    "total_addtocart": 6,
    "total_transactions": 3,
    "view_ratio": 0.75,
    "addtocart_ratio": 0.1,
    "transaction_ratio": 0.0667,
}


def _ask(api: Any, path: str, body: Any, status: int = 200) -> Any:
    answer = api.http.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_predictions_and_segments_come_with_the_first_version_and_change_with_the_next(
    api: Any, settings: Settings, until: Callable[..., None]
) -> None:
    api.start(SARAN_SERVING__MODEL_POLL_SECONDS="0.1")
    for path, body, command in (
        ("/predict-transaction", PREDICT, "saran train purchase"),
        ("/segment-user", SEGMENT, "saran train segments"),
    ):
        answer = api.http.post(path, json=body)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert command in answer.json()["detail"]

    models = settings.models_path
    publish_predictor(models, "p1")
    publish_segmentation(models, "s1")
    versions = {"transaction_predictor": "p1", "user_segmentation": "s1"}
    until(lambda: api.get("/health")["model_versions"] == versions)
    assert api.get("/health")["models_loaded"] == ["transaction_predictor", "user_segmentation"]

    said = _ask(api, "/predict-transaction", PREDICT)
    assert said == {
        "visitorid": "user_test_predict_01",
        "will_transact": False,
        "probability": 0.2,
        "model_version": "p1",
    }
    likely = _ask(api, "/predict-transaction", {**PREDICT, "visitorid_to_identify": 7, "num_addtocart": 5})
    assert (likely["visitorid"], likely["will_transact"], likely["probability"]) == ("7", True, 0.5)

    said = _ask(api, "/segment-user", SEGMENT)
    assert said == {
        "visitorid": "user_test_segment_01",
        "cluster_id": 4,
        "segment": "loyal buyer",
        "model_version": "s1",
        "warning": None,
    }
    shopper = {**SEGMENT, "total_transactions": 0, "transaction_ratio": 0}
    assert _ask(api, "/segment-user", shopper)["segment"] == "window shopper"
    wrong = _ask(api, "/segment-user", {**SEGMENT, "view_ratio": 0.5, "total_events": 50})
    assert "view_ratio is 0.5, and by total_events it would be 0.9" in wrong["warning"]
    assert "54, more than total_events 50" in wrong["warning"]
    assert wrong["cluster_id"] == 4

    figures = api.http.get("/metrics").text
    for name, version in versions.items():
        assert f'saran_api_model_info{{name="{name}",version="{version}"}} 1.0' in figures

    publish_predictor(models, "p2", inputs=4)
    until(lambda: "p2" in " ".join(api.get("/health")["warnings"]))
    assert api.get("/health")["model_versions"] == versions, "a version of the wrong shape is refused"
    assert _ask(api, "/predict-transaction", PREDICT)["model_version"] == "p1"
    publish_predictor(models, "p3")
    until(lambda: _ask(api, "/predict-transaction", PREDICT)["model_version"] == "p3")
    figures = api.http.get("/metrics").text
    assert 'version="p1"' not in figures
    assert 'saran_api_model_info{name="user_segmentation",version="s1"} 1.0' in figures

    _refuses_what_is_no_question(api)


def _refuses_what_is_no_question(api: Any) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("/predict-transaction", {**PREDICT, "num_views": -1}, "num_views"),
        ("/predict-transaction", {**PREDICT, "num_views": 1.5}, "num_views"),
        ("/predict-transaction", {**PREDICT, "num_addtocart": 10**12}, "num_addtocart"),
        ("/predict-transaction", {**PREDICT, "visitorid_to_identify": ""}, "visitorid_to_identify"),
        ("/predict-transaction", {**PREDICT, "more": 1}, "more"),
        ("/predict-transaction", {"visitorid_to_identify": "v"}, "num_views"),
        ("/segment-user", {**SEGMENT, "view_ratio": "often"}, "view_ratio"),
        ("/segment-user", {**SEGMENT, "total_views": None}, "total_views"),
    ]
    for path, body, field in wrong:
        problem = _ask(api, path, body, 422)
        assert field in [error["field"] for error in problem["errors"]], problem
    answer = api.http.post(
        "/segment-user", content=b'{"view_ratio": NaN}', headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422


def test_figures_that_fit_have_no_warning() -> None:
    nobody: dict[str, Any] = {name: "nobody" if name == "visitorid_to_identify" else 0 for name in SEGMENT}
    assert misfits(Totals.model_validate(nobody)) == []
    assert misfits(Totals.model_validate({**SEGMENT, "transaction_ratio": 0.07})) == []
