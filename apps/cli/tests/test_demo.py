"""The demo's checks: right figures pass, and each wrong one is named; the ledger reads what the driver writes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from rich.console import Console

from saran.cli.demo_checks import Figures, checks
from saran.cli.demo_report import SYNTHETIC_NOTE, as_json, show
from saran.cli.ledger import Ledger, read_ledger, wait_balanced
from saran.core.errors import SaranError
from saran.core.settings import Settings


def answer(user: str, source: str, *items: str) -> dict[str, Any]:
    cards = [{"item_id": item, "title": f"Title {item}", "rank": rank} for rank, item in enumerate(items, 1)]
    return {"user_id": user, "source": source, "model_version": "v1", "history_events": 3, "items": cards}


def good() -> Figures:
    figure = {"value": 0.3, "low": 0.2, "high": 0.4}
    return Figures(
        dataset="movielens",
        synthetic=False,
        load={"events": 95, "wrong_rows": 5},
        topic_before=10,
        ledger=Ledger(topic=110, bronze=110, silver=100, rejected=6, duplicates=4),
        served_counts={"silver.events": 100},
        model={
            "version": "v1",
            "evaluation": {"metrics": {"als": {"ndcg@10": figure}, "popularity": {"ndcg@10": figure}}},
        },
        known_user=answer("414", "personal", "1", "2", "3", "4", "5"),
        new_user_before=answer("new", "popular", "1", "2", "3", "4", "5"),
        new_user_after=answer("new", "personal", "6", "7", "8", "9", "10"),
        clicked=["1", "11", "12"],
        seconds={"start": 1.0, "load": 2.0},
        first_recommendation_seconds=42.0,
    )


def test_right_figures_pass() -> None:
    assert [check.name for check in checks(good()) if not check.holds] == []


def _lose_one_in_kafka(figures: Figures) -> None:
    figures.load["events"] += 1


def _lose_one_before_bronze(figures: Figures) -> None:
    figures.ledger = Ledger(topic=110, bronze=109, silver=99, rejected=6, duplicates=4)
    figures.served_counts["silver.events"] = 99


def _double_one_in_silver(figures: Figures) -> None:
    figures.ledger = Ledger(topic=110, bronze=110, silver=101, rejected=6, duplicates=4)
    figures.served_counts["silver.events"] = 101


def _show_an_old_count(figures: Figures) -> None:
    figures.served_counts["silver.events"] = 50


def _serve_an_old_model(figures: Figures) -> None:
    figures.known_user["model_version"] = "v0"


def _measure_nonsense(figures: Figures) -> None:
    figures.model["evaluation"]["metrics"]["als"]["ndcg@10"] = {"value": 0.5, "low": 0.2, "high": 0.4}


def _repeat_an_item(figures: Figures) -> None:
    figures.known_user["items"][4] = figures.known_user["items"][0]


def _ignore_the_clicks(figures: Figures) -> None:
    figures.new_user_after = {**figures.new_user_before, "source": "personal"}
    figures.clicked = []


def _recommend_what_was_clicked(figures: Figures) -> None:
    figures.clicked[0] = "6"


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_lose_one_in_kafka, "all sent events are in Kafka"),
        (_lose_one_before_bronze, "bronze holds what Kafka holds"),
        (_double_one_in_silver, "silver + rejected + duplicates = bronze"),
        (_show_an_old_count, "the API shows silver's count"),
        (_serve_an_old_model, "the API serves the trained model"),
        (_measure_nonsense, "metrics of two models with intervals"),
        (_repeat_an_item, "five recommendations for a known user"),
        (_ignore_the_clicks, "three clicks change the list"),
        (_recommend_what_was_clicked, "what was clicked is not recommended"),
    ],
)
def test_a_wrong_figure_is_named(spoil: Callable[[Figures], None], named: str) -> None:
    figures = copy.deepcopy(good())
    spoil(figures)
    assert [check.name for check in checks(figures) if not check.holds] == [named]


def test_the_report_says_synthetic_and_names_what_is_wrong(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    figures = good()
    figures.synthetic = True
    figures.load["events"] = 0
    screen = StringIO()
    show(Console(file=screen, width=200), settings, figures, list(checks(figures)))
    told = screen.getvalue()
    assert "movielens (synthetic)" in told
    assert SYNTHETIC_NOTE in told
    assert "wrong: all sent events are in Kafka: 5 sent, 100 in Kafka" in told
    assert "0.3000 [0.2000, 0.4000]" in told
    assert "Title 10" in told
    machine = as_json(settings, figures, list(checks(figures)))
    assert machine["ok"] is False
    assert (machine["bronze"], machine["silver"], machine["rejected"], machine["duplicates"]) == (110, 100, 6, 4)


@pytest.mark.postgres
def test_the_ledger_adds_up_what_the_driver_wrote(postgres_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=SecretStr(postgres_url))
    assert read_ledger(settings, 7) == Ledger(topic=7, bronze=0, silver=0, rejected=0, duplicates=0)
    with psycopg.connect(postgres_url, connect_timeout=5) as connection:
        connection.execute(
            "INSERT INTO analytics.table_counts (table_name, rows, version, rejected_rows, duplicate_rows) VALUES "
            "('bronze.events', 100, 3, NULL, NULL), ('silver.events', 90, 2, 5, 5), "
            "('silver.rejected', 8, 4, NULL, NULL)"
        )
    # Three of silver.rejected's eight rows are of the catalogue, not events.
    ledger = read_ledger(settings, 100)
    assert ledger == Ledger(topic=100, bronze=100, silver=90, rejected=5, duplicates=5)
    assert ledger.balanced
    assert not read_ledger(settings, 101).balanced
    with psycopg.connect(postgres_url, connect_timeout=5) as connection:
        connection.execute("UPDATE analytics.table_counts SET rows = 120 WHERE table_name = 'bronze.events'")
        connection.execute("UPDATE analytics.table_counts SET duplicate_rows = NULL WHERE table_name = 'silver.events'")
    assert not read_ledger(settings, 120).balanced, "bronze is ahead of silver"
    with psycopg.connect(postgres_url, connect_timeout=5) as connection:
        connection.execute("UPDATE analytics.table_counts SET duplicate_rows = 25 WHERE table_name = 'silver.events'")
        connection.execute("UPDATE analytics.table_counts SET read_offsets = 20 WHERE table_name = 'bronze.events'")
    assert not read_ledger(settings, 120).balanced, "a hundred rows are of a topic that was lost"
    assert read_ledger(settings, 20).balanced


def test_a_stream_that_stands_still_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from saran.cli import ledger

    monkeypatch.setattr(ledger, "events_in_topic", lambda settings: 10)
    monkeypatch.setattr(ledger, "read_ledger", lambda settings, topic: Ledger(topic, 4, 3, 0, 0))
    seen: list[Ledger] = []
    with pytest.raises(SaranError, match="has not moved for 0 s: 10 events in Kafka, 4 in bronze, 3 in silver"):
        wait_balanced(Settings(home=tmp_path), patience=0.3, watch=seen.append, alive=lambda: None)
    assert seen
