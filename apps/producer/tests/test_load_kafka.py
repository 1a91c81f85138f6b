"""`saran load` against a real broker: exact counts, keys, partitions, batches, resuming, and Kafka going away."""

from __future__ import annotations

import signal
import urllib.request
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from apps.producer.tests.producer_helpers import (
    end_offsets,
    own_settings,
    quiet,
    read_topic,
    run_json,
    running,
    wait_for,
    write_events,
)
from prometheus_client import generate_latest
from tests.servers import Server, free_offset, kafka_server

from saran.core.datasets import load_spec, open_dataset
from saran.core.errors import SaranError
from saran.core.names import Topic
from saran.core.settings import Settings
from saran.producer.load import load
from saran.producer.options import LoadOptions
from saran.producer.partitions import partitions_of
from saran.producer.synthetic.make import synthesise

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(kafka: Server, test_settings: Settings, tmp_path: Path) -> Settings:
    return own_settings(test_settings, tmp_path / "home")


@pytest.fixture(scope="module")
def retailrocket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("retailrocket")
    synthesise("retailrocket", folder, rows=300_000, seed=2)
    return folder


def test_movielens_arrives_whole_keyed_numbered_and_on_javas_partitions(settings: Settings) -> None:
    run_json(settings, "load", "movielens", "--limit", "1")  # makes the topics
    before = end_offsets(settings, Topic.CATALOG)
    begin = end_offsets(settings, settings.events_topic)
    summary = run_json(settings, "load", "movielens")
    assert (summary["rows"], summary["events"], summary["wrong_rows"]) == (100_836, 100_836, 0)
    assert (summary["items"], summary["wrong_items"]) == (9_742, 0)
    assert summary["sent"] == summary["acknowledged"] == 100_836 + 9_742

    events = read_topic(settings, settings.events_topic, begin)
    assert len(events) == 100_836
    assert len({record.value["event_id"] for record in events}) == 100_836
    assert all(record.key == record.value["user_id"] for record in events)
    batches = Counter(record.value["context"]["batch"] for record in events)
    assert batches == {**{str(number): 10_000 for number in range(1, 11)}, "11": 836}
    expected = partitions_of(pl.Series([record.key for record in events]), len(begin)).tolist()
    assert [record.partition for record in events] == expected

    items = read_topic(settings, Topic.CATALOG, before)
    assert len(items) == 9_742
    assert {record.key for record in items} == {record.value["item_id"] for record in items}


def test_a_second_load_sends_the_same_events_again(settings: Settings) -> None:
    for _ in range(2):
        run_json(settings, "load", "movielens", "--limit", "25000")
    ids = Counter(record.value["event_id"] for record in read_topic(settings, settings.events_topic))
    assert len(ids) == 25_000
    assert set(ids.values()) == {2}


def test_rows_of_a_key_stay_in_the_order_of_the_file(settings: Settings) -> None:
    run_json(settings, "load", "movielens")
    dataset = open_dataset(load_spec("movielens", settings), settings)
    rows = pl.concat([block.events.select("event_id", "user_id") for block in dataset.read_events()])
    expected = {str(user): group["event_id"].to_list() for (user,), group in rows.group_by("user_id")}
    seen: dict[str, list[str]] = {}
    for record in sorted(read_topic(settings, settings.events_topic), key=lambda record: record.offset):
        seen.setdefault(record.key, []).append(record.value["event_id"])
    assert seen == expected


def test_wrong_rows_are_sent_in_their_place_with_their_reason(settings: Settings, tmp_path: Path) -> None:
    folder = write_events(
        tmp_path / "data",
        [(1433221332117, 1, "view", 5, ""), ("yesterday", 2, "view", 6, ""), (1433221332119, 3, "stare", 7, "")],
    )
    summary = load("retailrocket", settings, LoadOptions(data=folder), quiet)
    assert (summary.rows, summary.events, summary.wrong_rows) == (3, 1, 2)
    records = [record.value for record in read_topic(settings, settings.events_topic)]
    wrong = {value["raw"]: value["error"] for value in records if "error" in value}
    assert set(wrong) == {"yesterday,2,view,6,", "1433221332119,3,stare,7,"}
    assert "event_time" in wrong["yesterday,2,view,6,"]
    assert "action" in wrong["1433221332119,3,stare,7,"]
    assert [value["user_id"] for value in records if "error" not in value] == ["1"]


def test_a_range_of_batches_sends_these_rows_with_their_own_numbers(settings: Settings, retailrocket: Path) -> None:
    options = LoadOptions(data=retailrocket, from_batch=3, to_batch=5)
    summary = load("retailrocket", settings, options, quiet)
    assert (summary.first_row, summary.rows) == (20_000, 30_000)
    batches = Counter(record.value["context"]["batch"] for record in read_topic(settings, settings.events_topic))
    assert batches == {"3": 10_000, "4": 10_000, "5": 10_000}


def test_resume_does_not_skip_rows_before_an_earlier_range(settings: Settings, retailrocket: Path) -> None:
    late = LoadOptions(data=retailrocket, from_batch=5, to_batch=6)
    load("retailrocket", settings, late, quiet)
    early = load("retailrocket", settings, replace(late, from_batch=1, to_batch=2, resume=True), quiet)
    assert (early.resumed_at, early.rows) == (None, 20_000)
    again = load("retailrocket", settings, replace(late, from_batch=1, to_batch=3, resume=True), quiet)
    assert (again.resumed_at, again.rows, again.items) == (20_000, 10_000, 0)


def test_kill_9_at_any_moment_and_resume_leave_no_row_out(settings: Settings, retailrocket: Path) -> None:
    arguments = ("load", "retailrocket", "--path", str(retailrocket), "--rate", "60000", "--resume")
    for wanted in (30_000, 110_000, 210_000):
        with running(settings, *arguments) as process:
            wait_for(settings, wanted, process)
            process.send_signal(signal.SIGKILL)
            process.communicate()
    summary = run_json(settings, *arguments)
    assert summary["resumed_at"] > 50_000
    assert summary["resumed_at"] + summary["rows"] == 300_000

    ids = Counter(record.value["event_id"] for record in read_topic(settings, settings.events_topic))
    dataset = open_dataset(load_spec("retailrocket", settings), settings, data=retailrocket)
    assert set(ids) == {name for block in dataset.read_events() for name in block.events["event_id"]}
    assert len(ids) == 300_000
    assert sum(ids.values()) - 300_000 < 120_000, "a load that always begins at row 0 repeats 210,000"


def test_a_finished_load_has_nothing_to_resume(settings: Settings) -> None:
    run_json(settings, "load", "movielens")
    summary = run_json(settings, "load", "movielens", "--resume")
    assert (summary["rows"], summary["sent"], summary["resumed_at"]) == (0, 0, 100_836)


def test_a_rate_is_kept_evenly(settings: Settings) -> None:
    summary = load("movielens", settings, LoadOptions(limit=3_000, rate=1_500), quiet)
    assert 1.8 < summary.seconds < 2.6


def test_catalogues_without_users_get_simulated_events_that_repeat(settings: Settings, tmp_path: Path) -> None:
    synthesise("amazon", tmp_path / "data", rows=500)
    options = LoadOptions(data=tmp_path / "data", limit=2_000)
    summaries = [load("amazon", settings, options, quiet) for _ in range(2)]
    assert all(summary.simulated for summary in summaries)
    assert summaries[0].source == "amazon-simulated"
    ids = Counter(record.value["event_id"] for record in read_topic(settings, settings.events_topic))
    assert len(ids) == 2_000
    assert set(ids.values()) == {2}
    asins = set(pl.read_csv(tmp_path / "data" / "amazon_products.csv")["asin"])
    records = [record.value for record in read_topic(settings, settings.events_topic)]
    assert {value["item_id"] for value in records} <= asins
    assert {value["action"] for value in records} == {"view", "add_to_cart", "purchase"}


def test_metrics_are_served_while_it_runs(settings: Settings, kafka: Server) -> None:
    port = settings.port("stream_metrics")
    pages: list[str] = []

    def look(stage: str, *_: object) -> None:
        if stage == "events":
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                pages.append(answer.read().decode())

    load("movielens", settings, LoadOptions(metrics_port=port), look)
    assert 'saran_load_records_acknowledged_total{dataset="movielens"} 110578.0' in pages[-1]
    assert 'saran_load_batch{dataset="movielens"} 10.0' in pages[-1]
    assert 'saran_load_errors_total{dataset="movielens"} 0.0' in pages[-1]
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)


def test_no_broker_is_said_with_the_fix(tmp_path: Path) -> None:
    away = Settings(home=tmp_path, kafka_bootstrap="127.0.0.1:1")
    away.kafka.timeout_ms = 1_000
    with pytest.raises(SaranError, match=r"127\.0\.0\.1:1 .*SARAN_KAFKA__BOOTSTRAP"):
        load("movielens", away, LoadOptions(), quiet)


@pytest.fixture
def own_broker(tmp_path: Path) -> tuple[Settings, Server]:
    """A broker that a test may kill."""
    settings = Settings(home=tmp_path / "own", port_offset=free_offset())
    server = kafka_server(settings)
    server.start()
    return settings, server


def test_a_broker_killed_and_started_again_costs_time_but_no_row(
    own_broker: tuple[Settings, Server], retailrocket: Path
) -> None:
    settings, server = own_broker
    try:
        arguments = ("load", "retailrocket", "--path", str(retailrocket), "--rate", "50000", "--json")
        with running(settings, *arguments) as process:
            wait_for(settings, 60_000, process)
            server.kill9()
            server.start()
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        ids = Counter(record.value["event_id"] for record in read_topic(settings, settings.events_topic))
        assert len(ids) == 300_000
        assert set(ids.values()) == {1}, "an idempotent producer repeats nothing"
        assert '"acknowledged": ' in out
    finally:
        server.kill9()


def test_a_broker_that_stays_away_ends_the_load_with_the_hint_to_resume(
    own_broker: tuple[Settings, Server], retailrocket: Path
) -> None:
    settings, server = own_broker
    try:
        arguments = ("load", "retailrocket", "--path", str(retailrocket), "--rate", "50000", "--patience", "3")
        with running(settings, *arguments) as process:
            wait_for(settings, 60_000, process)
            server.kill9()
            _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "nothing was acknowledged for 3 s" in " ".join(err.split())
        assert "--resume" in err
        server.start()
        summary = run_json(settings, *arguments, "--resume")
        assert summary["resumed_at"] > 0
        assert summary["resumed_at"] + summary["rows"] == 300_000
        assert len({record.value["event_id"] for record in read_topic(settings, settings.events_topic)}) == 300_000
    finally:
        server.kill9()


def test_metrics_text_is_valid_prometheus() -> None:
    from saran.producer.monitor import LoadMetrics
    from saran.producer.sender import Counts

    metrics = LoadMetrics("x")
    metrics.update(Counts(5, 3, 100, 1), 2)
    metrics.update(Counts(9, 9, 200, 1), 0)
    text = generate_latest(metrics.registry).decode()
    for line in ("records_sent_total", "records_acknowledged_total"):
        assert f'saran_load_{line}{{dataset="x"}} 9.0' in text
    assert 'saran_load_rows_rejected_total{dataset="x"} 2.0' in text
