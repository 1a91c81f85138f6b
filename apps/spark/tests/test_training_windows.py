"""Training windows: which events of known batches and times are in, and what is no window."""

from __future__ import annotations

from datetime import timedelta

import pytest
from apps.spark.tests.train_events import START, Row, write_events
from pyspark.sql import SparkSession

from saran.core.confidence import Weights
from saran.core.errors import SaranError
from saran.core.model_folder import load_model, read_interactions
from saran.core.settings import Settings
from saran.core.window import ALL_EVENTS, Window
from saran.spark.als_parameters import ALSParameters
from saran.spark.stages import Stages
from saran.spark.tables import read_events, silver_events
from saran.spark.train_recommender import Plan, train_recommender
from saran.spark.windows import window_of

ROWS = [Row("u", f"b{batch}", second, batch=batch) for second, batch in enumerate([1, 1, 50, 51, 100, 101, 150])]
LIVE = Row("u", "live", 7)
"""An event that no load sent: it has no batch."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("windows"))
    write_events(settings, [*ROWS, LIVE])
    return settings


@pytest.mark.spark
@pytest.mark.parametrize(
    ("window", "places"),
    [
        (ALL_EVENTS, [0, 1, 2, 3, 4, 5, 6, 7]),
        (window_of(None, None, 1, 50), [0, 1, 2]),
        (window_of(None, None, 51, 100), [3, 4]),
        (window_of(None, None, 101, 150), [5, 6]),
        (window_of(None, None, 101, None), [5, 6]),
        (window_of("2020-01-01T00:00:02Z", "2020-01-01T00:00:05Z", None, None), [2, 3, 4]),
        (window_of("2020-01-01T07:00:06+07:00", None, None, None), [6, 7]),
        (window_of("2020-01-01T00:00:01", None, None, 50), [1, 2]),
    ],
)
def test_a_window_holds_the_events_of_its_bounds(
    spark: SparkSession, settings: Settings, window: Window, places: list[int]
) -> None:
    events = read_events(spark, silver_events(settings), window)
    assert sorted(int(row.event_id.removeprefix("event-")) for row in events.collect()) == places


@pytest.mark.spark
def test_the_recommender_learns_from_its_window_alone_and_its_manifest_says_so(
    spark: SparkSession, settings: Settings
) -> None:
    window = window_of(None, None, 51, 100)
    plan = Plan("test", Weights(), ALSParameters(rank=2, iterations=1), measure=False, window=window)
    trained = train_recommender(spark, settings, plan, Stages())
    model = load_model(trained.folder)
    assert model.manifest.window == window
    assert model.items.column("item_id").to_pylist() == ["b100", "b51"]
    assert read_interactions(trained.folder).num_rows == 2
    assert model.manifest.newest_event == START + timedelta(seconds=4)

    everything = train_recommender(spark, settings, Plan("test", Weights(), plan.parameters), Stages())
    assert everything.manifest.version[-8:] != trained.manifest.version[-8:], "the window is part of what it is made of"


@pytest.mark.spark
def test_an_empty_window_is_named(spark: SparkSession, settings: Settings) -> None:
    plan = Plan("test", Weights(), window=window_of(None, None, 151, 200))
    with pytest.raises(SaranError, match=r"from batch 151, to batch 200.*widen the window"):
        train_recommender(spark, settings, plan, Stages())


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ((None, None, 5, 4), "to_batch 4 is before from_batch 5"),
        ((None, None, 0, None), "greater than or equal to 1"),
        (("2020-01-02", "2020-01-02", None, None), "is not after since"),
        (("yesterday", None, None, None), "yesterday"),
    ],
)
def test_what_is_no_window_is_refused(
    bounds: tuple[str | None, str | None, int | None, int | None], reason: str
) -> None:
    with pytest.raises(SaranError, match=reason) as refused:
        window_of(*bounds)
    assert "the earlier one first" in str(refused.value.fix)
