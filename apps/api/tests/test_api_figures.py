"""What the API and the worker tell Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from saran.api.metrics import ApiMetrics
from saran.api.worker_metrics import WorkerMetrics
from saran.core.confidence import Weights
from saran.core.entities import ACTION_CODES, Action
from saran.core.model_folder import Evaluation, Manifest, Metric

MADE = datetime(2026, 1, 1, tzinfo=UTC)


def _manifest(version: str, created_at: datetime, evaluation: Evaluation | None) -> Manifest:
    return Manifest(
        name="recommender",
        version=version,
        created_at=created_at,
        dataset="shop",
        synthetic=True,
        algorithm="als",
        parameters={},
        weights=Weights(),
        history_length=100,
        seed=1,
        tables={},
        users=1,
        items=1,
        interactions=1,
        evaluation=evaluation,
    )


def test_a_new_version_takes_the_place_of_the_one_before() -> None:
    metrics = ApiMetrics()
    figures = {"als": {"ndcg@10": Metric(value=0.2, low=0.1, high=0.3)}, "old": {"x": Metric(value=1, low=1, high=1)}}
    metrics.serving(_manifest("v1", MADE, Evaluation(split="s", test_users=9, metrics=figures)))
    quality = {"name": "recommender", "model": "als", "metric": "ndcg@10"}
    read = metrics.registry.get_sample_value
    assert {
        bound: read("saran_api_model_quality", {**quality, "bound": bound}) for bound in ("value", "low", "high")
    } == {
        "value": 0.2,
        "low": 0.1,
        "high": 0.3,
    }
    assert read("saran_api_model_created_timestamp_seconds", {"name": "recommender"}) == MADE.timestamp()

    metrics.serving(_manifest("v2", MADE + timedelta(hours=1), None))
    assert read("saran_api_model_info", {"name": "recommender", "version": "v1"}) is None
    assert read("saran_api_model_info", {"name": "recommender", "version": "v2"}) == 1
    assert read("saran_api_model_created_timestamp_seconds", {"name": "recommender"}) == MADE.timestamp() + 3600
    assert read("saran_api_model_quality", {**quality, "bound": "value"}) is None


def test_lag_that_is_unknown_has_no_series() -> None:
    metrics = ApiMetrics()

    def lag(partition: int) -> float | None:
        labels = {"group": "g", "topic": "t", "partition": str(partition)}
        return metrics.registry.get_sample_value("saran_api_consumer_lag", labels)

    metrics.behind({"g": {"t": {0: 5, 1: None, 2: -3}}})
    # A group may be ahead of an end that was asked for before.
    assert [lag(partition) for partition in range(3)] == [5, None, 0]
    metrics.behind({})
    assert lag(0) is None


def test_events_are_counted_by_action_and_partitions_come_and_go() -> None:
    metrics = WorkerMetrics()
    codes = np.array([ACTION_CODES[action] for action in (Action.VIEW, Action.VIEW, Action.PURCHASE)], dtype=np.int16)
    metrics.actions(codes)
    metrics.actions(codes[:0])
    read = metrics.registry.get_sample_value
    counts = {action: read("saran_worker_events_total", {"action": action}) for action in ACTION_CODES}
    assert counts == dict.fromkeys(ACTION_CODES, 0) | {"view": 2, "purchase": 1}

    behind = [7]
    place = {"topic": "t", "partition": "3"}
    metrics.reading("t", 3, lambda: behind[0])
    assert read("saran_worker_offsets_behind", place) == 7
    behind[0] = 0
    assert read("saran_worker_offsets_behind", place) == 0
    metrics.gave_up("t", 3)
    metrics.gave_up("t", 3)
    assert read("saran_worker_offsets_behind", place) is None
