"""`saran batches`: the source's own columns, each event in exactly one file, through kills at any moment."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from apps.producer.tests.producer_helpers import own_settings, quiet, run_json, running, write_events
from tests.servers import Server

from saran.core.errors import SaranError
from saran.core.settings import Settings
from saran.producer.batches import STATE_FILE, batch_name, write_batches
from saran.producer.decode import decode_events
from saran.producer.load import load
from saran.producer.options import LoadOptions
from saran.producer.synthetic.make import synthesise


@pytest.fixture
def settings(kafka: Server, test_settings: Settings, tmp_path: Path) -> Settings:
    return own_settings(test_settings, tmp_path / "home")


def _write(settings: Settings, out: Path, size: int, quiet_seconds: float = 1.5) -> int:
    return write_batches("retailrocket", settings, out, size, quiet_seconds, quiet).events


def _lines(out: Path) -> Counter[str]:
    """Data lines of all batch files; every file must have the header."""
    lines: Counter[str] = Counter()
    for path in sorted(out.glob("batch_*.csv")):
        header, *rows = path.read_text().splitlines()
        assert header == "timestamp,visitorid,event,itemid,transactionid"
        lines.update(rows)
    return lines


def _sizes(out: Path) -> list[int]:
    return [len(path.read_text().splitlines()) - 1 for path in sorted(out.glob("batch_*.csv"))]


@pytest.mark.kafka
def test_the_files_hold_the_rows_of_the_source_unchanged(settings: Settings, tmp_path: Path) -> None:
    synthesise("retailrocket", tmp_path / "data", rows=25_000)
    load("retailrocket", settings, LoadOptions(data=tmp_path / "data"), quiet)
    out = tmp_path / "out"
    summary = write_batches("retailrocket", settings, out, 10_000, 1.5, quiet)
    assert (summary.events, summary.files) == (25_000, 3)
    assert (summary.newest, summary.rows_in_newest) == ("batch_003.csv", 5_000)
    assert _sizes(out) == [10_000, 10_000, 5_000]
    assert _lines(out) == Counter((tmp_path / "data" / "events.csv").read_text().splitlines()[1:])


@pytest.mark.kafka
def test_a_second_run_fills_the_open_batch_and_goes_on(settings: Settings, tmp_path: Path) -> None:
    synthesise("retailrocket", tmp_path / "data", rows=2_500)
    out = tmp_path / "out"
    load("retailrocket", settings, LoadOptions(data=tmp_path / "data", limit=700), quiet)
    assert _write(settings, out, 500) == 700
    before = (out / "batch_002.csv").read_text()
    assert _sizes(out) == [500, 200]
    assert _write(settings, out, 500) == 0
    load("retailrocket", settings, LoadOptions(data=tmp_path / "data", resume=True), quiet)
    assert _write(settings, out, 500) == 1_800
    assert _sizes(out) == [500] * 5
    assert (out / "batch_002.csv").read_text().startswith(before)
    assert _lines(out) == Counter((tmp_path / "data" / "events.csv").read_text().splitlines()[1:])


@pytest.mark.kafka
def test_kill_9_while_writing_doubles_and_loses_nothing(settings: Settings, tmp_path: Path) -> None:
    synthesise("retailrocket", tmp_path / "data", rows=60_000)
    load("retailrocket", settings, LoadOptions(data=tmp_path / "data"), quiet)
    out = tmp_path / "out"
    arguments = ("batches", "--dataset", "retailrocket", "--out", str(out), "--size", "100", "--quiet-seconds", "1.5")
    for wanted in (1, 120, 350):
        with running(settings, *arguments) as process:
            while process.poll() is None and not (out / batch_name(wanted)).exists():
                time.sleep(0.002)
            assert process.poll() is None, process.communicate()
            process.send_signal(signal.SIGKILL)
            process.communicate()
    summary = run_json(settings, *arguments)
    assert 0 < summary["events"] < 60_000
    assert _sizes(out) == [100] * 600
    assert _lines(out) == Counter((tmp_path / "data" / "events.csv").read_text().splitlines()[1:])
    assert list(out.glob("*.tmp")) == []


@pytest.mark.kafka
def test_a_batch_that_counts_but_has_not_its_name_yet_gets_it(settings: Settings, tmp_path: Path) -> None:
    synthesise("retailrocket", tmp_path / "data", rows=250)
    load("retailrocket", settings, LoadOptions(data=tmp_path / "data"), quiet)
    out = tmp_path / "out"
    _write(settings, out, 100)
    whole = (out / "batch_003.csv").read_text()
    (out / "batch_003.csv").rename(out / "batch_003.csv.50.tmp")  # killed between state and name
    (out / "batch_004.csv.100.tmp").write_text("killed before the state")
    assert _write(settings, out, 100) == 0
    assert (out / "batch_003.csv").read_text() == whole
    assert sorted(path.name for path in out.glob("batch_*")) == ["batch_001.csv", "batch_002.csv", "batch_003.csv"]


@pytest.mark.kafka
def test_wrong_rows_are_counted_and_left_to_ingest(settings: Settings, tmp_path: Path) -> None:
    rows = [(1433221332117, 1, "view", 5, ""), ("yesterday", 2, "view", 6, "")]
    load("retailrocket", settings, LoadOptions(data=write_events(tmp_path / "data", rows)), quiet)
    summary = write_batches("retailrocket", settings, tmp_path / "out", 10, 1.5, quiet)
    assert (summary.events, summary.wrong_rows) == (1, 1)
    assert _lines(tmp_path / "out") == Counter(["1433221332117,1,view,5,"])


@pytest.mark.kafka
def test_a_folder_of_another_topic_or_of_others_is_refused(settings: Settings, tmp_path: Path) -> None:
    synthesise("retailrocket", tmp_path / "data", rows=50)
    load("retailrocket", settings, LoadOptions(data=tmp_path / "data"), quiet)
    out = tmp_path / "out"
    _write(settings, out, 100)
    state = json.loads((out / STATE_FILE).read_text())
    (out / STATE_FILE).write_text(json.dumps({**state, "topic": "another"}))
    with pytest.raises(SaranError, match="another topic or cluster"):
        _write(settings, out, 100)
    (out / STATE_FILE).unlink()
    with pytest.raises(SaranError, match="did not write"):
        _write(settings, out, 100)
    (out / STATE_FILE).write_text(json.dumps({**state, "offsets": {"0": 10**9}}))
    with pytest.raises(SaranError, match="made anew"):
        _write(settings, out, 100)


def test_decoding_leaves_out_what_is_no_event() -> None:
    good = {
        "event_id": "a",
        "event_time": "2015-06-02T05:02:12.117Z",
        "user_id": "1",
        "item_id": "2",
        "action": "view",
        "source": "s",
        "context": {"batch": "1", "device": "tv"},
    }
    wrong = {"event_id": "b", "source": "s", "error": "no time", "raw": "x"}
    values = [json.dumps(value).encode() for value in (good, wrong, {**good, "event_id": "c", "value": 2.5})]
    for others in ([], [b"{half", b"\xff\xfe", b"", b"[1]", b"7"]):
        events = decode_events([*others, *values], ["device"])
        assert events["event_id"].to_list() == ["a", "c"]
        assert events["value"].to_list() == [None, 2.5]
        assert events["event_time"].dt.epoch("ms").to_list() == [1433221332117] * 2
        assert events["context"].struct.field("device").to_list() == ["tv", "tv"]
    assert decode_events([]).schema["event_time"] == pl.Datetime("ms", "UTC")
