"""What README.md and docs/command-line.md tell to type is typed, in order, and keeps what the pages promise.

Each command of a page has an entry in the page's table, and each entry a command: one that is renamed, added or taken
away on one side only fails.
"""

from __future__ import annotations

import csv
import json
import os
import re
import runpy
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from saran.cli.ledger import events_in_topic
from saran.cli.platform import control, process
from saran.cli.platform.catalog import NAMES
from saran.cli.platform.state import Phase, read_state
from saran.core.names import Model
from saran.core.settings import CHECKOUT, Settings
from saran.core.versions import champion
from tests.pages import COMMAND_LINE, PRINTED_URL, README, shell_commands
from tests.servers import free_offset

pytestmark = [pytest.mark.platform, pytest.mark.spark, pytest.mark.timeout(900)]

COMMAND_SECONDS: Final = 300
LEARN_SECONDS: Final = 20
BUNDLED: Final = "100,836"
LIST_OF_NEW_USER: Final = f"curl '{PRINTED_URL}/recommendations/user/new-user?limit=5'"

CLEANED: Final = set(runpy.run_path(str(CHECKOUT / "scripts" / "clean.py"))["HOME"])

ELSEWHERE: Final = {
    "make demo": ".ci/run calls make demo-check, which is the same without staying",
    "make test": "it is what runs this test",
}


class Reader:
    """Somebody with a shell in an empty folder, whose `.venv/bin/saran` is the `saran` under test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(home=folder / "home", port_offset=free_offset())
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        saran = programs / "saran"
        saran.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m saran.cli "$@"\n')
        saran.chmod(saran.stat().st_mode | stat.S_IXUSR)
        self.environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "SARAN_HOME": str(self.settings.home),
            "SARAN_PORT_OFFSET": str(self.settings.port_offset),
            "NO_COLOR": "1",
            "no_proxy": "127.0.0.1",
        }

    def type(self, command: str) -> str:
        """Run a command as it stands; what it wrote to stdout. It must end well."""
        if export := re.fullmatch(r"export (\w+)=(\S+)", command):
            self.environment[export[1]] = export[2]
            return ""
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace(PRINTED_URL, self.settings.api_url)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def ready(self) -> set[str]:
        """Parts that are ready, by the supervisor's own record."""
        state = read_state(self.settings.home)
        parts = state.parts if state is not None and state.supervisor.alive else {}
        return {name for name, part in parts.items() if part.phase is Phase.READY}


Promise = Callable[[Reader, str], None]
"""Given the reader and what the command printed; asserts what the page says that it does."""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    one = Reader(tmp_path)
    yield one
    control.down(one.settings.home)


def follow(page: Path, reader: Reader, promises: Mapping[str, Promise]) -> None:
    """Type the page's commands, and hold each against its promise."""
    commands = [command for command in shell_commands(page) if command not in ELSEWHERE]
    assert sorted(commands) == sorted(promises), f"each command of {page.name} has one promise"
    for command in commands:
        promises[command](reader, reader.type(command))


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README types curl, and there is none: install it")
def test_the_readme(reader: Reader) -> None:
    follow(README, reader, OF_README)


def test_the_session_on_the_command_line_page(reader: Reader) -> None:
    follow(COMMAND_LINE, reader, OF_COMMAND_LINE)


def says(*words: str) -> Promise:
    def check(_: Reader, told: str) -> None:
        assert [one for one in words if one not in told] == [], told

    return check


def runs(*parts: str) -> Promise:
    def check(reader: Reader, _: str) -> None:
        assert reader.ready() == set(parts)

    return check


def simulates(users: int, expected: int) -> Promise:
    def check(_: Reader, told: str) -> None:
        found = re.match(r"([\d,]+) events of (\d+) users", told)
        assert found is not None, told
        assert int(found[2]) == users
        assert expected * 0.6 <= int(found[1].replace(",", "")) <= expected + 1

    return check


def shows_all_ready(_: Reader, told: str) -> None:
    assert dict(re.findall(r"^(\w+) +(\S+) ", told, re.M)) == {"part": "state"} | dict.fromkeys(NAMES, "ready")


def shows_all_ready_to_machines(reader: Reader, told: str) -> None:
    status = json.loads(told)
    assert status["running"] is True
    assert {name: part["state"] for name, part in status["parts"].items()} == dict.fromkeys(reader.ready(), "ready")


def recommends_five(_: Reader, told: str) -> None:
    answer = json.loads(told)
    assert (answer["user_id"], answer["source"]) == ("1", "personal")
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    assert all(item["title"] for item in answer["items"])


def learns_from_one_event(reader: Reader, told: str) -> None:
    """The event was acknowledged just before; its way to the list takes milliseconds, more on a busy machine."""
    deadline = time.monotonic() + LEARN_SECONDS
    while (answer := json.loads(told))["source"] != "personal" and time.monotonic() < deadline:
        time.sleep(0.1)
        told = reader.type(LIST_OF_NEW_USER)
    assert (answer["user_id"], answer["source"], answer["history_events"]) == ("new-user", "personal", 1)
    assert "1" not in [item["item_id"] for item in answer["items"]]


def accepts_one(_: Reader, told: str) -> None:
    answer = json.loads(told)
    assert answer["accepted"] == len(answer["event_ids"]) == 1


def leaves_nothing(reader: Reader, _: str) -> None:
    assert not control.supervisor_runs(reader.settings.home)
    assert process.marked(reader.settings.home) == []
    assert {path.name for path in reader.settings.home.iterdir()} <= CLEANED, "make clean-all knows all that was made"


def exports(name: str, value: str) -> Promise:
    def check(reader: Reader, _: str) -> None:
        assert reader.environment[name] == value

    return check


def makes_a_stand_in(reader: Reader, _: str) -> None:
    assert (reader.folder / "shop" / "SYNTHETIC.md").exists()
    assert len(rows(reader.folder / "shop" / "events.csv")) == SHOP_ROWS


def simulates_through_the_api(reader: Reader, told: str) -> None:
    summary: dict[str, Any] = json.loads(told)
    assert (summary["source"], summary["users"]) == ("retailrocket-simulated", 5)
    assert 36 <= summary["events"] <= 61
    assert events_in_topic(reader.settings) == SHOP_ROWS + summary["events"]


def writes_every_event_back(reader: Reader, _: str) -> None:
    files = sorted((reader.folder / "batches").glob("batch_*.csv"))
    written = [rows(file) for file in files]
    assert [file.name for file in files] == ["batch_001.csv", "batch_002.csv", "batch_003.csv"]
    assert [len(batch) for batch in written[:2]] == [2000, 2000]
    assert sum(map(len, written)) == events_in_topic(reader.settings)
    assert set(written[0][0]) == {"timestamp", "visitorid", "event", "itemid", "transactionid"}


def tells_its_steps(reader: Reader, told: str) -> None:
    steps = [json.loads(line) for line in told.splitlines()]
    assert [(step["step"], step["well"]) for step in steps] == [(name, True) for name in TOUR]
    load, simulate, train, click, promote, back = (step["figures"] for step in steps)
    assert load["sent"] == 0, "what is loaded stays as it is"
    assert load["silver"]["after"] == simulate["silver"]["before"]
    assert 140 <= simulate["sent"] <= 241, "forty a second for six seconds, fewer on a busy machine"
    assert simulate["silver"]["after"] - simulate["silver"]["before"] == simulate["sent"]
    # The visitor's three clicks are the only events behind the simulation.
    assert len(click["clicked"]) == 3
    assert events_in_topic(reader.settings) == simulate["silver"]["after"] + 3
    assert click["list"]["before"] != click["list"]["after"] == promote["list"]["before"] == back["list"]["after"]
    served, trained = champion(reader.settings.models_path, Model.RECOMMENDER), train["version"]
    assert train["champion"] == {"before": served, "after": served}
    assert promote["served"] == {"before": served, "after": trained}
    assert back["served"] == {"before": trained, "after": served}
    ends_badly_and_puts_back(reader, str(served))


def ends_badly_and_puts_back(reader: Reader, served: str) -> None:
    """A tour whose API stands still as soon as the new version is the champion."""
    models = reader.settings.models_path
    tour = subprocess.Popen(
        [sys.executable, "-m", "saran.cli", "tour", "--path", "shop", "--timeout", "20", "--json"],
        cwd=reader.folder,
        env=reader.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while champion(models, Model.RECOMMENDER) == served and tour.poll() is None:
        time.sleep(0.02)
    state = read_state(reader.settings.home)
    pid = state.parts["api"].pid if state is not None else None
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        told, _ = tour.communicate(timeout=COMMAND_SECONDS)
    finally:
        os.kill(pid, signal.SIGCONT)
    steps = [json.loads(line) for line in told.splitlines()]
    assert [(step["step"], step["well"]) for step in steps] == [
        *((name, True) for name in TOUR[:4]),
        ("promote", False),
    ]
    assert "the API still does not serve" in steps[-1]["wrong"]
    assert steps[-1]["fix"] == "see `saran logs api`"
    assert tour.returncode == 1
    assert champion(models, Model.RECOMMENDER) == served, "put back, though a step failed"


def shows_five_lines(_: Reader, told: str) -> None:
    assert len(told.splitlines()) == 5


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


SHOP_ROWS: Final = 5000
TOUR: Final = ("load", "simulate", "train", "click", "promote", "roll back")

OF_README: Final[Mapping[str, Promise]] = {
    ".venv/bin/saran up --detach": runs(*NAMES),
    ".venv/bin/saran load movielens": says(f"{BUNDLED} rows: {BUNDLED} good, 0 wrong", "110,578 acknowledged"),
    ".venv/bin/saran wait": says(f"{BUNDLED} events in Kafka", f"{BUNDLED} in silver, 0 rejected, 0 duplicates"),
    ".venv/bin/saran train recommender": says("is the champion", "ndcg@10", "popularity", "95 % intervals"),
    ".venv/bin/saran simulate --users 20 --rate 5 --minutes 0.2": simulates(users=20, expected=60),
    ".venv/bin/saran status": shows_all_ready,
    f"curl '{PRINTED_URL}/recommendations/user/1?limit=5'": recommends_five,
    f"curl -X POST '{PRINTED_URL}/stream/events' -H 'content-type: application/json' "
    """-d '[{"user_id": "new-user", "action": "view", "item_id": "1"}]'""": accepts_one,
    LIST_OF_NEW_USER: learns_from_one_event,
    ".venv/bin/saran down": leaves_nothing,
}

OF_COMMAND_LINE: Final[Mapping[str, Promise]] = {
    "saran datasets": says("movielens", "retailrocket", "amazon", "movies"),
    "saran synthesise retailrocket --rows 5000 --seed 7 --out shop": makes_a_stand_in,
    "export SARAN_DATASET=retailrocket": exports("SARAN_DATASET", "retailrocket"),
    "saran up --detach --only streams,api,worker": runs("kafka", "postgres", "streams", "api", "worker"),
    "saran doctor": says("✓ kafka", "✓ postgres", "✓ api", "✓ jars"),
    "saran status --json": shows_all_ready_to_machines,
    "saran load retailrocket --path shop": says("5,000 rows: 5,000 good, 0 wrong", "(synthetic)"),
    "saran wait": says("5,000 events in Kafka, 5,000 in bronze: 5,000 in silver, 0 rejected, 0 duplicates"),
    'saran sql "SELECT action, count(*) AS events FROM silver.events GROUP BY 1"': says(
        "view", "rows in", "silver.events"
    ),
    "saran backup create --to backups": says("are new, in"),
    "saran backup list --at backups": says("silver.events 5,000"),
    "saran train recommender --set rank=16 --no-evaluate": says("is the champion", "synthetic data", "not measured"),
    "saran models list": says("champion", "not measured (synthetic)"),
    "saran simulate --path shop --users 5 --rate 10 --minutes 0.1 --via api --json": simulates_through_the_api,
    "saran batches --out batches --size 2000 --quiet-seconds 3": writes_every_event_back,
    "saran tour --path shop --json": tells_its_steps,
    "saran logs api --lines 5": shows_five_lines,
    "saran jars": lambda reader, told: None,
    "saran down": leaves_nothing,
}
