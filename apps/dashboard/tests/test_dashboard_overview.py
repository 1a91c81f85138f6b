"""Dashboard: figures and states, run by Streamlit's own test runner against a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apps.dashboard.tests.api_double import World, app_path
from streamlit.testing.v1 import AppTest


def _run() -> AppTest:
    page = AppTest.from_file(str(app_path()), default_timeout=20).run()
    assert not page.exception
    return page


def _metrics(page: AppTest) -> dict[str, str]:
    return {metric.label.split(": ")[-1]: metric.value for metric in page.metric}


def _words(page: AppTest) -> str:
    """All text of the page but its metrics."""
    parts = (page.title, page.subheader, page.markdown, page.caption, page.warning, page.info, page.error)
    return "\n".join(str(element.value) for group in parts for element in group).replace("\\", "")


def test_figures_are_the_apis(api_url: str) -> None:
    page = _run()
    assert _metrics(page) == {
        "Bronze": "100,843", "Silver": "100,836", "Rejected": "6", "Items": "9,742",
    }  # fmt: skip
    text = _words(page)
    assert "Data as of 2018-09-24 14:27 UTC" in text
    assert "The books of the events balance: bronze 100,843, silver 100,836 + rejected 4 + repeated 3" in text
    assert "2 records of the catalogue were rejected too" in text
    assert "silver.events, version 12, written" in text
    assert "ago, newest 2018-09-24 14:27 UTC" in text
    assert "Serving **v7** · trained 2026-05-04 03:02 UTC" in text
    assert "1.50 × popularity; intervals apart" in text
    assert "1.05 × popularity; intervals overlap" in text
    assert "610 test users" in text
    assert "synthetic" not in text


def test_rows_that_came_since_are_shown(api_url: str, world: World) -> None:
    page = _run()
    world.metrics["tables"]["silver.events"]["rows"] += 250
    page.run()
    assert _metrics(page)["Silver"] == "101,086"
    silver = next(metric for metric in page.metric if metric.label.endswith("Silver"))
    assert silver.delta.startswith("250 in ")
    assert "they differ by 250 at this moment" in _words(page)


def test_books_are_not_closed_within_a_micro_batch(api_url: str, world: World) -> None:
    world.metrics["tables"]["silver.events"]["duplicate_rows"] = None
    text = _words(_run())
    assert "bronze 100,843, silver 100,836 + rejected 4: a micro-batch is under way" in text
    assert "balance" not in text


def test_parts_that_are_away_are_named(api_url: str, world: World) -> None:
    world.health |= {"kafka": "away", "spark_session_active": False, "warnings": ["Kafka does not answer"]}
    world.metrics["heartbeats"] = {"worker": (datetime.now(UTC) - timedelta(seconds=45)).isoformat()}
    text = _words(_run())
    assert "Kafka away" in text
    assert "Spark away" in text
    assert "Online worker away" in text
    assert "PostgreSQL up" in text
    assert "Kafka does not answer" in text
    assert "Away: Kafka, Spark, Online worker. What depends on it stands still" in text


def test_synthetic_data_is_called_so(api_url: str, world: World) -> None:
    world.metrics["synthetic"] = True
    text = _words(_run())
    assert "synthetic data" in text
    assert "no evidence of quality" in text


def test_what_the_source_did_not_give_is_labelled(api_url: str, world: World) -> None:
    assert "derived" not in _words(_run())
    world.metrics["about"]["capabilities"] |= {"ages": "derived", "users": "simulated", "sessions": "simulated"}
    text = _words(_run())
    assert "derived: ages" in text
    assert "simulated: users, sessions" in text


def test_without_data_there_is_no_figure(api_url: str, world: World) -> None:
    world.metrics |= {"tables": {}, "ingest": {}, "lag": {}, "model": None, "as_of": None}
    page = _run()
    assert not page.metric
    text = _words(page)
    assert "No data yet" in text
    assert "saran load" in text
    assert "No model yet" in text
    assert "saran train" in text


def test_counts_that_cannot_be_read_are_not_called_empty(api_url: str, world: World) -> None:
    world.metrics["tables"] = {}
    world.health["postgres"] = "away"
    text = _words(_run())
    assert "The counts cannot be read" in text
    assert "No data yet" not in text


def test_a_stream_that_stands_still_is_stale(api_url: str, world: World) -> None:
    world.metrics["tables"]["silver.events"]["updated_at"] = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    assert "17 events wait, but silver was last written 5 min ago" in _words(_run())


def test_an_api_that_never_answered(no_api: str) -> None:
    page = _run()
    text = _words(page)
    assert "The API is away" in text
    assert f"The API at {no_api} does not answer." in text
    assert "Start it with `saran up`" in text
    assert not page.metric


def test_an_api_that_went_away_leaves_its_last_figures_called_stale(api_url: str, world: World) -> None:
    page = _run()
    world.metrics = {"tables": "broken"}
    page.run()
    assert not page.exception
    text = _words(page)
    assert "What follows is **stale**" in text
    assert _metrics(page)["Silver"] == "100,836"
