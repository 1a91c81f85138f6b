"""Pipeline: lag, throughput, micro-batches and rejected records, as the API has them."""

from __future__ import annotations

import pytest
from apps.dashboard.tests.api_double import World
from apps.dashboard.tests.operator_double import NOTHING_REJECTED
from apps.dashboard.tests.page_words import chart_rows, run, text_of
from streamlit.testing.v1 import AppTest

from saran.client import Client
from saran.dashboard.trail import Trail
from saran.dashboard.views import pipeline


def _script() -> None:
    from saran.dashboard.views import pipeline

    pipeline.page()


def _metrics(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def test_lag_speed_and_topics(api_url: str) -> None:
    page = run(_script)
    assert _metrics(page) == {
        "Produced": "–", "Ingested": "11,905 /s", "Last micro-batch": "4 s", "Spark ingest lag": "17",
        "Online worker lag": "0",
    }  # fmt: skip
    lag, topics, reasons, sample = (one.value for one in page.dataframe)
    assert lag.to_dict("records")[1] == {"group": "saran-ingest", "topic": "events", "partition": 1, "waiting": 7}
    assert topics[["topic", "partitions", "records written"]].values.tolist() == [
        ["events", 2, 100_843],
        ["catalog", 1, 9_742],
        ["events.dlq", 1, 6],
    ]
    assert reasons["rows"].tolist() == [4, 2]
    assert sample["value"].tolist() == ['{"user_id": "u1"}']
    assert "6 records, silver.rejected version 4" in text_of(page)
    assert "load again with `saran load`" in text_of(page)


def test_throughput_is_what_came_in_the_time_seen(api_url: str, world: World) -> None:
    with Client(api_url) as client:
        metrics = client.metrics()
    trail = Trail()
    trail.add(100.0, {"events": 100_343, "catalog": 9_742})
    trail.add(110.0, {"events": 100_843, "catalog": 9_742})
    rates = {row["topic"]: row["a second"] for row in pipeline.topic_rows(metrics, trail)}
    assert rates == {"events": 50.0, "catalog": 0.0, "events.dlq": None}
    page = run(_script)
    world.metrics["topics"]["events"]["0"] += 1000
    page.run()
    assert _metrics(page)["Produced"].endswith("/s")


def test_each_batch_is_a_point(api_url: str) -> None:
    page = run(_script)
    assert [(row["topic"], row["seconds"]) for row in chart_rows(page, 0)] == [
        ("events", 4.0),
        ("events", 2.0),
        ("catalog", 0.5),
    ]
    assert [row["rows/s"] for row in chart_rows(page, 1)] == [12_500, 15_000, 19_484]
    assert "The last 3 batches with records, 2026-05-04 11:59 UTC to 2026-05-04 12:00 UTC" in text_of(page)


@pytest.mark.parametrize(("version", "said"), [(None, "There is no table of them yet"), (0, "No record was refused")])
def test_nothing_was_refused(api_url: str, world: World, version: int | None, said: str) -> None:
    world.rejected = NOTHING_REJECTED.model_copy(update={"version": version})
    page = run(_script)
    assert said in text_of(page)
    assert len(page.dataframe) == 2


def test_without_an_api(no_api: str) -> None:
    page = run(_script)
    assert f"The API at {no_api} does not answer." in text_of(page)
    assert not page.metric
    assert not page.get("vega_lite_chart")
