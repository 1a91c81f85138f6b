"""`saran demo`: from a file of events to a list that changes with a click, and the figures of the way."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from saran.cli import class_data, operate
from saran.cli.console import err
from saran.cli.demo_api import DemoApi, three_clicks
from saran.cli.demo_checks import Figures, checks
from saran.cli.demo_report import as_json, show
from saran.cli.ingested import wait_ingested
from saran.cli.ledger import events_in_topic
from saran.cli.platform import control
from saran.cli.platform.catalog import API, KAFKA, POSTGRES, STREAMS, WORKER
from saran.cli.subcommand import run_saran
from saran.core.datasets import load_spec
from saran.core.errors import SaranError
from saran.core.settings import Settings, load_settings

_BUNDLED: Final = "movielens"
_API_SECONDS: Final = 60.0


def run_demo(dataset: str, *, data: Path | None, rows: int, check: bool, json_out: Path | None) -> int:
    """The whole demo; its exit code. Stops what it started, however it ends."""
    began = float(os.environ.get("SARAN_STARTED_AT") or time.time())
    settings = demo_settings(dataset, data)
    own = not control.supervisor_runs(settings.home)
    operate.interrupt_at_sigterm()
    try:
        figures = Demo(settings, dataset, data, rows, began).run()
        checked = list(checks(figures))
        show(err, settings, figures, checked)
        if check or json_out:
            path = json_out or settings.home / "demo.json"
            path.write_text(json.dumps(as_json(settings, figures, checked), indent=1, default=str) + "\n")
            err.print(f"  figures   {path}")
        if not check:
            err.print("\nCtrl-C stops everything")
            with class_data.made_meanwhile(settings):
                operate.stay(settings)
        return 0 if all(one.holds for one in checked) else 1
    finally:
        if own:
            operate.stop(settings)


def demo_settings(dataset: str, data: Path | None) -> Settings:
    """Settings of the demo's installation, also put into the environment of all that it starts.

    One installation serves one data set: others than the bundled one get a home of their own.
    """
    os.environ["SARAN_DATASET"] = dataset
    if data is not None:
        os.environ["SARAN_DATA"] = str(data.expanduser().resolve())
    settings = load_settings()
    if dataset != _BUNDLED and "SARAN_HOME" not in os.environ:
        name = Path(dataset).stem
        os.environ["SARAN_HOME"] = str(settings.home / (name if data else f"{name}-synthetic"))
        settings = load_settings()
    return settings


class Demo:
    """One run of the demo, stage by stage."""

    def __init__(self, settings: Settings, dataset: str, data: Path | None, rows: int, began: float) -> None:
        self._settings = settings
        self._data = data
        self._rows = rows
        self._began = began
        self._spec = load_spec(dataset, settings)
        self._figures = Figures(self._spec.name, synthetic=data is None and not self._spec.bundled)

    def run(self) -> Figures:
        figures = self._figures
        if figures.synthetic:
            self._synthesise()
        # The dashboard comes last: until the first list is there, it would only take time from the others.
        with self._stage("start"):
            operate.start(self._settings, (KAFKA, POSTGRES, STREAMS, API, WORKER))
            operate.wait(self._settings, (KAFKA, POSTGRES))
        with self._stage("load"):
            figures.topic_before = events_in_topic(self._settings)
            figures.load = self._saran("load", str(self._spec_name()), *self._path(), "--json", show=True)
        with self._stage("ingest"):
            figures.ledger = wait_ingested(self._settings)
        with self._stage("train"), err.status("training …"):
            # MLflow's entry can wait until there is a list to see.
            figures.model = self._saran("train", "recommender", "--promote", "always", "--no-register", "--json")
        operate.wait(self._settings, (API, WORKER))
        with DemoApi(self._settings.api_url, self._settings.api_headers) as api:
            with self._stage("serve"):
                version = figures.model["version"]
                figures.known_user = api.until(
                    self._most_active_user(),
                    lambda answer: answer.get("model_version") == version and answer.get("source") == "personal",
                    seconds=_API_SECONDS,
                    what=f"serve model {version}",
                )
            figures.first_recommendation_seconds = time.time() - self._began
            with self._stage("learn"):
                self._click(api)
            tables = api.metrics().get("tables", {})
            figures.served_counts = {name: int(count["rows"]) for name, count in tables.items()}
        with self._stage("dashboard"):
            _, started = operate.start(self._settings)
            operate.wait(self._settings, started)
        with self._stage("register"), err.status("registering the model in MLflow …"):
            self._saran("models", "sync", "--json")
        return figures

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._figures.seconds[name] = time.monotonic() - started
        err.print(f"[green]✓[/green] {name} [dim]({self._figures.seconds[name]:.1f} s)[/dim]")

    def _spec_name(self) -> str:
        return self._settings.dataset

    def _path(self) -> tuple[str, ...]:
        return ("--path", str(self._data)) if self._data else ()

    def _synthesise(self) -> None:
        kind = self._spec.synthetic
        if kind is None:
            raise SaranError(
                f"{self._spec.name} is not bundled, and there is no stand-in for it",
                fix="name the folder of its files with --data (make demo DATA=…)",
            )
        self._data = self._settings.home / "synthetic" / kind
        os.environ["SARAN_DATA"] = str(self._data)
        with self._stage("synthesise"), err.status(f"no files were given: making a synthetic stand-in of {kind} …"):
            out = ("--rows", str(self._rows), "--out", str(self._data))
            self._saran("synthesise", kind, *out, "--json")

    def _most_active_user(self) -> str:
        with psycopg.connect(self._settings.postgres_url, connect_timeout=5) as connection:
            row = connection.execute(
                "SELECT user_id FROM online.user_history ORDER BY cardinality(item_ids) DESC, user_id LIMIT 1"
            ).fetchone()
        if row is None:
            raise SaranError("the online store holds no user", fix="see `saran logs worker`")
        return str(row[0])

    def _click(self, api: DemoApi) -> None:
        """A user who did not exist clicks three things that are alike."""
        figures = self._figures
        clicks = three_clicks(api, str(figures.known_user["items"][0]["item_id"]), seconds=_API_SECONDS)
        figures.new_user_before, figures.clicked, figures.new_user_after = clicks.before, clicks.clicked, clicks.after
        figures.click_to_list_ms = clicks.milliseconds

    def _saran(self, *arguments: str, show: bool = False) -> dict[str, Any]:
        return run_saran(self._settings, *arguments, show=show)
